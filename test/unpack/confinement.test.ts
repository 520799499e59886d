// What the processes of an unpack are allowed while they handle a layer, read from the kernel.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { makeTar } from "../support/image.ts";
import { until } from "../support/until.ts";
import { bindMount, buildUnpack } from "./harness.ts";

const root = process.getuid?.() === 0;

const fieldOf = (pid: number, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);

describe("while a layer is unpacked", { skip: root ? false : "needs root" }, () => {
  it("the unpacker keeps six capabilities, the decompressor none, and both end with their parent", async () => {
    const program = await buildUnpack();
    const dir = mkdtempSync("/tmp/berth-confined-");
    const target = join(dir, "root");
    const fifo = join(dir, "blob");
    mkdirSync(target);
    execFileSync("mkfifo", [fifo]);
    // Held open for writing: the blob has its first bytes and never ends.
    const writer = openSync(fifo, "r+");
    const layer = gzipSync(
      makeTar([
        { path: "x", content: "1" },
        { path: "y", content: "y".repeat(4 << 20) },
      ]),
      { level: 0 },
    );
    const job = JSON.stringify({ blob: fifo, name: "x", mounts: [bindMount(target)], mountPoint: join(dir, "mnt") });
    // A shell in between is the parent that dies.
    const parent: ChildProcess = spawn("sh", ["-c", '"$0" apply; :', program], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    try {
      parent.stdin?.end(job);
      // 16 bytes are taken to tell the compression, and the layer begins again behind them.
      writeSync(writer, layer.subarray(0, 16));
      await until(() => childrenOf(parent.pid ?? 0).flatMap(childrenOf).length === 1, "the decompressor is started");
      // More than a decompressor takes at once, and not all of it.
      for (let at = 0; at < 3 << 20; ) at += writeSync(writer, layer.subarray(at, Math.min(at + 65_536, 3 << 20)));
      const [unpacker = 0] = childrenOf(parent.pid ?? 0);
      const [filter = 0] = childrenOf(unpacker);
      await until(() => readdirSync(target).includes("x"), "the first member is there");

      // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, MKNOD 27, SETFCAP 31.
      const six = "000000008800001b";
      for (const set of ["CapPrm", "CapEff", "CapBnd"]) assert.equal(fieldOf(unpacker, set), six, set);
      assert.equal(fieldOf(unpacker, "NoNewPrivs"), "1");
      assert.equal(execFileSync("readlink", [`/proc/${unpacker}/root`], { encoding: "utf8" }).trim(), target);

      for (const set of ["CapPrm", "CapEff", "CapInh", "CapAmb"])
        assert.equal(fieldOf(filter, set), "0000000000000000", set);
      assert.equal(fieldOf(filter, "Uid"), "65534\t65534\t65534\t65534");
      assert.equal(fieldOf(filter, "NoNewPrivs"), "1");
      assert.deepEqual(readdirSync(`/proc/${filter}/fd`), ["0", "1", "2"]);

      const gone = once(parent, "exit");
      parent.kill("SIGKILL");
      await gone;
      const isGone = (pid: number): boolean => {
        try {
          return fieldOf(pid, "State").startsWith("Z");
        } catch {
          return true;
        }
      };
      await until(() => isGone(unpacker), "the unpacker is gone");
      // The decompressor waits for its blob, which a file never lets it do: with the next bytes it is gone, too.
      for (let at = 3 << 20; at < layer.length && !isGone(filter); )
        at += writeSync(writer, layer.subarray(at, Math.min(at + 4096, layer.length)));
      await until(() => isGone(filter), "the decompressor is gone");
    } finally {
      parent.kill("SIGKILL");
      closeSync(writer);
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
