// Everything that turns text or bytes into values, fed in this process with what is nearly right.
import { createTarReader, parseFilters, parsePax, parseReference } from "@berth/base";
import { compilePattern } from "../../packages/base/src/pattern.ts";
import { findUser } from "../../packages/engine/src/spec/find-user.ts";
import { parseGroup, parsePasswd } from "../../packages/engine/src/spec/passwd.ts";
import { parseSecurityOptions } from "../../packages/engine/src/spec/security-opt.ts";
import { parseSignal } from "../../packages/engine/src/spec/signals.ts";
import { dumpConfig } from "../../packages/supervisor/src/config/dump.ts";
import { defaultConfig, loadConfig } from "../../packages/supervisor/src/config/load.ts";
import { makeTar } from "../support/image.ts";
import { mutateBytes } from "./mutate.ts";
import { hostileStrings } from "./random-message.ts";
import { feedOne, nearly, type Reader, type Spent } from "./reader.ts";
import { shimReaders } from "./shim-readers.ts";
import type { Budget, Target } from "./target.ts";

const utf8 = new TextEncoder();
const toml = dumpConfig(defaultConfig());
const passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:\n";

const nearlyFilter = nearly(['labels."a b"==x,name~=^[a-z]+$', "id!=1", 'name~="(a|b)*c{1,3}"', "topic~=/tasks/.*"]);

export const parsers: readonly Reader[] = [
  ...shimReaders,
  {
    name: "a filter",
    input: (random) => {
      if (random.chance(0.1)) return utf8.encode(`name~="${random.pick(hostileStrings)}"`);
      return nearlyFilter(random);
    },
    parse: (_bytes, text) => parseFilters([text])(() => "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
  },
  {
    name: "a pattern",
    input: nearly(["^(a+)+$", "[[:alpha:]-z]{2,3}", "(?i:x)|\\d*\\b", "a{1000}"]),
    parse: (_bytes, text) => compilePattern(text)("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"),
    throws: [SyntaxError, RangeError],
  },
  {
    name: "an image reference",
    input: nearly(["docker.io/library/busybox:latest", `a.b:5000/c_d/e@sha256:${"0".repeat(64)}`]),
    parse: (_bytes, text) => parseReference(text),
  },
  {
    name: "a tar header",
    input: (random) => mutateBytes(random, makeTar([{ path: random.pick(hostileStrings).slice(0, 90), content: "x" }])),
    parse: (bytes) => {
      const reader = createTarReader();
      for (let at = 0; at + 512 <= bytes.length; at += 512) reader.header(bytes.subarray(at, at + 512));
    },
  },
  { name: "pax records", input: nearly(["19 path=some/where\n12 size=3\n"]), parse: (bytes) => parsePax(bytes) },
  {
    name: "the configuration",
    input: nearly([toml, "version = 2\n[grpc]\naddress = 1\n"]),
    parse: (_b, text) => loadConfig(text, "x"),
  },
  { name: "passwd", input: nearly([passwd]), parse: (_bytes, text) => [parsePasswd(text), parseGroup(text)] },
  {
    name: "a user",
    input: nearly(["user", "1000:1000", "root:root", "4294967295", "-1"]),
    parse: (_bytes, text) => findUser(text, "image", () => Promise.resolve(passwd)),
  },
  {
    name: "a security option",
    input: nearly(["seccomp=unconfined", "no-new-privileges:true"]),
    parse: (_b, text) => parseSecurityOptions([text]),
  },
  { name: "a signal", input: nearly(["SIGKILL", "9", "RTMIN+3"]), parse: (_bytes, text) => parseSignal(text) },
];

/** Of all threads: a long turn of one is seen all the same. */
export const spent: Spent = () => process.cpuUsage().user / 1000;

export const parsing: Target = {
  name: "parsers",
  inputs: 20_000,
  async run({ random, more }: Budget) {
    let count = 0;
    for (; more(count); count++) await feedOne(parsers, random, spent);
    return count;
  },
};
