// Output that goes to a disk which is full for a while.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { describe, it } from "node:test";
import { openDaemon, textOf, until } from "./harness.ts";

const MIB = 1 << 20;

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args);
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
}

/** A file system of 4 MiB, of which `ballast` takes 3. */
function smallDisk(path: string): Disposable & { makeRoom(): void } {
  mkdirSync(path);
  run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path);
  writeFileSync(`${path}/ballast`, new Uint8Array(3 * MIB));
  return {
    makeRoom: () => rmSync(`${path}/ballast`),
    [Symbol.dispose]: () => run("umount", "-l", path),
  };
}

describe("a disk that is full for a while", () => {
  for (const kind of ["file://", "plain file", "terminal"] as const)
    it(`does not stop a container that writes to it (${kind}): the gap is counted`, async () => {
      await using daemon = await openDaemon();
      const disk = `${daemon.top}/disk`;
      using small = smallDisk(disk);
      const log = `${disk}/out.log`;
      if (kind === "plain file") writeFileSync(log, "");
      const terminal = kind === "terminal";
      // Numbered lines of 16 bytes, 2.5 MiB of them: 1 MiB fits.
      const lines = 163_840;
      const shim = await daemon.start("f", {
        args: [
          "sh",
          "-c",
          `${terminal ? "stty -onlcr; " : ""}seq 100000000000001 100000000163840; : >/tmp/written; read line; echo after`,
        ],
        terminal,
      });
      const stdin = daemon.fifo("in");
      await shim.create({ stdin, stdout: kind === "plain file" ? log : `file://${log}`, terminal });
      await shim.task.start({ id: "f" });
      const input = openSync(stdin, constants.O_WRONLY);
      const { pid } = await shim.task.state({ id: "f" });
      await until(() => existsSync(`/proc/${pid}/root/tmp/written`) && isAsleep(shim.pid));
      const full = statSync(log).size;
      small.makeRoom();
      // Without any more output, within the second of the next try.
      await until(() => statSync(log).size > full);
      writeSync(input, "go\n");
      assert.equal((await shim.task.wait({ id: "f" })).exitStatus, 0);
      closeSync(input);
      const text = textOf(log);
      const notices = [...text.matchAll(/\nberth: (\d+) bytes of output were lost here: .*no space left on device\n/g)];
      assert.ok(notices.length > 0 && notices.length === text.match(/berth: /g)?.length, "whole lines tell of it");
      const ending = `${terminal ? "go\n" : ""}after\n`;
      assert.ok(
        text.replaceAll("\r", "").endsWith(`${notices.at(-1)?.[0]}${ending}`),
        JSON.stringify(text.slice(-200)),
      );
      const lost = notices.reduce((sum, notice) => sum + Number(notice[1]), 0);
      const told = notices.reduce((sum, notice) => sum + notice[0].length, 0);
      assert.equal(text.length - told - ending.length + lost, lines * 16, "what is there and what is counted is all");
      const gap = text.indexOf("\nberth: ");
      for (let at = 0, n = 1; at + 16 <= gap; at += 16, n++)
        if (text.slice(at, at + 16) !== `${100_000_000_000_000 + n}\n`) assert.fail(`a wrong line ${n}`);
      await shim.task.delete({ id: "f" });
      await shim.task.shutdown({ id: "f" });
    });
});

/** A shim that sleeps has taken all that was there: what is written wakes it at once. */
const isAsleep = (pid: number): boolean => /^State:\s+S/m.test(textOf(`/proc/${pid}/status`));
