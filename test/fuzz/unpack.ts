// Damaged layers through berth-unpack with sanitizers. Whatever they hold, nothing outside of the root is touched.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeTar, type TarEntry } from "../support/image.ts";
import { mountsBelow } from "../support/leftovers.ts";
import { buildUnpack, makeWorkplace } from "../unpack/harness.ts";
import { joined, mutateBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { hostileStrings } from "./random-message.ts";
import type { Budget, Target } from "./target.ts";

const engineWords = /not a function|of undefined|of null|not iterable|InternalError|TypeError|not an object/;

const names = [
  "a",
  "a/b",
  "a/b/c",
  "d",
  "../canary/file",
  "/etc/x",
  ".wh.a",
  "a/.wh..wh..opq",
  ".wh..",
  "./",
  "a/../../x",
];

function member(random: Random, canary: string): TarEntry {
  const path = random.chance(0.9) ? random.pick(names) : random.pick(hostileStrings).slice(0, 99);
  const link = random.pick(["a", "../canary", "/", canary, "..", "b/c", join(canary, "file"), ""]);
  const type = random.pick(["file", "file", "directory", "symlink", "hardlink"] as const);
  return { path, type, link, content: "x".repeat(random.pick([0, 1, 511, 512, 513])) } as TarEntry;
}

/** Whole headers that are damaged have a right checksum half of the time: most damage must get past it. */
function withChecksums(random: Random, tar: Uint8Array): Uint8Array {
  const out = Buffer.from(tar);
  for (let at = 0; at + 512 <= out.length; at += 512) {
    if (!random.chance(0.5) || out.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    out.fill(0x20, at + 148, at + 156);
    const sum = out.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    out.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return out;
}

function layer(random: Random, canary: string): Uint8Array {
  const whole = makeTar(Array.from({ length: random.int(1, 8) }, () => member(random, canary)));
  const damaged = random.chance(0.2) ? whole : withChecksums(random, mutateBytes(random, whole));
  const flag = random.pick(["x", "g", "L", "K", "S", "D", "\0", "9"]);
  const typed = random.chance(0.2) ? withFlag(damaged, flag) : damaged;
  const packed = random.pick([(tar: Uint8Array) => tar, gzipSync, zstdCompressSync])(typed);
  return random.chance(0.15) ? mutateBytes(random, packed) : joined(packed);
}

function withFlag(tar: Uint8Array, flag: string): Uint8Array {
  const out = Buffer.from(tar);
  if (out.length < 512) return out;
  out[156] = flag.charCodeAt(0);
  out.fill(0x20, 148, 156);
  const sum = out.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return out;
}

export const unpackOf = (build: () => Promise<string>): Target => ({
  name: "unpack",
  inputs: 60,
  async run({ random, more }: Budget) {
    using place = makeWorkplace(await build());
    let count = 0;
    for (; more(count); count++) {
      const bytes = layer(random, place.canary);
      const { status, answer, stderr } = place.apply(bytes);
      const shown = `${stderr.slice(0, 3000)}\n${JSON.stringify(answer)}\nlayer: ${Buffer.from(gzipSync(bytes)).toString("base64").slice(0, 4000)}`;
      assert.ok(status === 0 || status === 1, `status ${status}: ${shown}`);
      assert.ok(!/Sanitizer|runtime error/.test(stderr), shown);
      if (status === 1) {
        assert.equal(typeof answer.message, "string", shown);
        assert.ok(!engineWords.test(String(answer.message)), `a sentence that nobody has written: ${shown}`);
      }
      assert.deepEqual(readdirSync(place.canary), ["file"], shown);
      assert.equal(readFileSync(join(place.canary, "file"), "utf8"), "untouched", shown);
      const beside = readdirSync(place.dir).filter((name) => !["root", "canary", "layer", "mnt"].includes(name));
      assert.deepEqual(beside, [], shown);
      assert.deepEqual(mountsBelow(place.dir), [], shown);
      rmSync(place.root, { recursive: true, force: true });
      mkdirSync(place.root);
      if (random.chance(0.3)) writeFileSync(join(place.root, "a"), "a file of a lower layer");
    }
    return count;
  },
});

export const unpack = unpackOf(() => buildUnpack("asan"));
