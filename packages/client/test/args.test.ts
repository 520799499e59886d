import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { flag, list, parseArgs, parsed, text } from "../src/cli/args.ts";
import { parseSize } from "../src/cli/size.ts";
import { UsageError } from "../src/cli/usage-error.ts";

const options = {
  interactive: flag("", { short: "i" }),
  tty: flag("", { short: "t" }),
  env: list("", { short: "e" }),
  name: text(""),
  lines: text("", { short: "n", value: "LINES" }),
  memory: parsed("", { value: "SIZE" }, 0, parseSize),
};
const parse = (...args: string[]) => parseArgs(options, args);
const fails = (message: RegExp, ...args: string[]) =>
  assert.throws(
    () => parse(...args),
    (error) => error instanceof UsageError && message.test(error.message),
  );

describe("arguments", () => {
  it("short flags can be written together", () => {
    const { values } = parse("-it");
    assert.deepEqual([values.interactive, values.tty], [true, true]);
  });

  it("a short option takes the rest of its word or the next word", () => {
    for (const args of [["-n5"], ["-n", "5"], ["-n=5"], ["-itn", "5"], ["-itn5"]])
      assert.equal(parse(...args).values.lines, "5", args.join(" "));
  });

  it("a long option takes what follows = or the next word", () => {
    assert.equal(parse("--name=a=b").values.name, "a=b");
    assert.equal(parse("--name", "web").values.name, "web");
    assert.equal(parse("--name=").values.name, "");
  });

  it("lists keep their order, and of single values the last one counts", () => {
    assert.deepEqual(parse("-e", "A=1", "--env=B=2", "--name", "x", "--name", "y").values.env, ["A=1", "B=2"]);
    assert.equal(parse("--name", "x", "--name", "y").values.name, "y");
  });

  it("-- ends the options, and a single - is an argument", () => {
    const { values, rest } = parse("-", "--", "-i", "--name");
    assert.deepEqual(rest, ["-", "-i", "--name"]);
    assert.equal(values.interactive, false);
  });

  it("options may stand behind arguments, unless the first argument begins a command line", () => {
    assert.deepEqual(parse("a", "-i", "b"), { values: { ...parse().values, interactive: true }, rest: ["a", "b"] });
    const upToFirst = parseArgs(options, ["-i", "image", "sh", "-t", "--", "x"], { upToFirst: true });
    assert.deepEqual(upToFirst.rest, ["image", "sh", "-t", "--", "x"]);
    assert.equal(upToFirst.values.tty, false);
  });

  it("what cannot be understood gets a sentence that names it", () => {
    fails(/^unknown option --nme$/, "--nme");
    fails(/^unknown option --inter: did you mean --interactive\?$/, "--inter");
    fails(/^unknown option -x$/, "-ix");
    fails(/^unknown option --__proto__$/, "--__proto__=1");
    fails(/^unknown option --constructor$/, "--constructor");
    fails(/^option --name needs a value: --name TEXT$/, "--name");
    fails(/^option -n needs a value: -n LINES$/, "-n");
    fails(/^option --tty takes no value$/, "--tty=yes");
    fails(/^option --memory: "many" is not a size/, "--memory", "many");
  });
});
