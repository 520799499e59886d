// Feeds damaged input to everything that reads it, for as long as it is told to:
//   node scripts/fuzz.ts --seconds N [--seed S] [target…]
import { parseArgs } from "node:util";
import { createRandom } from "../test/fuzz/random.ts";
import { runTarget } from "../test/fuzz/target.ts";
import { targets } from "../test/fuzz/targets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "60" }, seed: { type: "string" }, list: { type: "boolean" } },
});
const seconds = Number(values.seconds);
const names = targets.map(({ name }) => name);
const unknown = positionals.filter((name) => !names.includes(name));
if (values.list) {
  console.log(names.join("\n"));
} else if (!(seconds > 0) || unknown.length > 0) {
  const what = unknown.length > 0 ? `no target ${unknown.join(", ")}` : `not a time: --seconds ${values.seconds}`;
  console.error(`${what}: use node scripts/fuzz.ts --seconds N [--seed S] [${names.join("|")}]…`);
  process.exitCode = 2;
} else {
  const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(values.seed);
  for (const target of chosen) {
    console.log(`${target.name}: seed ${seed}, ${seconds} s`);
    console.log(`${target.name}: ${await runTarget(target, createRandom(seed), { seconds })} inputs, nothing found`);
  }
}
