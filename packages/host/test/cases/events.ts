import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  bytesWaiting,
  enlargePipe,
  eventCounter,
  exists,
  mkdir,
  mount,
  O,
  open,
  Pump,
  pid,
  pipe,
  read,
  readText,
  readTextAgain,
  rmdir,
  spawn,
  stat,
  umount,
  unlink,
  watch,
  write,
  writeFile,
} from "@berth/host";
import { temporary } from "./temporary.ts";
import { itLeavesNothing } from "./without-leak.ts";

/** The mount point of cgroup version 2. */
const unified = "/sys/fs/cgroup/unified";
const cgroups = exists(unified) ? unified : "/sys/fs/cgroup";

describe("an event", () => {
  itLeavesNothing("counter is readable until it is read", async () => {
    using counter = eventCounter();
    let times = 0;
    const seen = new Promise<void>((resolve) => {
      const watching = watch(counter, { readable: true }, ({ readable, priority }) => {
        times++;
        assert.deepEqual([readable, priority], [true, false]);
        assert.equal(read(counter, 8)?.[0], 3);
        watching.close();
        resolve();
      });
    });
    write(counter, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
    write(counter, new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0]));
    await seen;
    assert.equal(times, 1);
    assert.equal(read(counter, 8), null);
  });

  itLeavesNothing("of a cgroup file is a matter of priority, until the file is read again", async () => {
    const folder = `${cgroups}/berth-host-${pid()}`;
    mkdir(folder, 0o755);
    const events = open(`${folder}/cgroup.events`, O.RDONLY);
    const stdin = pipe();
    const lines = [readTextAgain(events).split("\n")[0]];
    let done: () => void = () => {};
    const emptied = new Promise<void>((resolve) => {
      done = resolve;
    });
    const watching = watch(events, { priority: true }, ({ readable, priority }) => {
      assert.deepEqual([readable, priority], [false, true]);
      lines.push(readTextAgain(events).split("\n")[0]);
      // Only what has been seen may change: two changes in a row are one event.
      if (lines.length === 2) write(stdin.write, new TextEncoder().encode("\n"));
      if (lines.length === 3) done();
    });
    try {
      const child = spawn({ argv: ["sh", "-c", `echo $$ > ${folder}/cgroup.procs; read _`], stdin: stdin.read });
      assert.equal((await child.exited).status, 0);
      await emptied;
      assert.deepEqual(lines, ["populated 0", "populated 1", "populated 0"]);
    } finally {
      watching.close();
      for (const fd of [events, stdin.read, stdin.write]) fd.close();
      rmdir(folder);
    }
  });
});

describe("a large pipe", () => {
  itLeavesNothing("takes more before its writer waits", () => {
    const ends = pipe({ nonblock: true });
    enlargePipe(ends.write, 1 << 20);
    const piece = new Uint8Array(1 << 16);
    let total = 0;
    for (let count = write(ends.write, piece); count > 0; count = write(ends.write, piece)) total += count;
    assert.equal(total, 1 << 20);
    assert.equal(bytesWaiting(ends.read), total);
    // What it holds cannot be cut off.
    enlargePipe(ends.write, 4096);
    assert.equal(bytesWaiting(ends.read), total);
    ends.read.close();
    ends.write.close();
  });
});

describe("a pump to a full disk", () => {
  itLeavesNothing("goes on without what does not fit, and tells of it once there is room", async () => {
    using folder = temporary();
    mount("tmpfs", folder.path, "tmpfs", 0, "size=512k");
    try {
      writeFile(`${folder.path}/ballast`, new Uint8Array(300_000));
      const source = pipe();
      using file = open(`${folder.path}/out`, O.WRONLY | O.CREAT | O.APPEND);
      const told: number[] = [];
      using pump = new Pump({
        from: source.read,
        to: file,
        onError: (error) => (error.code === "ENOSPC" ? "drop" : "stop"),
        notice: (lost) => {
          told.push(lost);
          return new TextEncoder().encode(`<${lost}>`);
        },
      });
      const child = spawn({ argv: ["sh", "-c", "yes 0123456789abcdef | head -c 1000000"], stdout: source.write });
      await child.exited;
      while (pump.moved + pump.lost < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.ok(pump.lost > 500_000, `${pump.lost} bytes did not fit`);
      unlink(`${folder.path}/ballast`);
      const notice = `<${pump.lost}>`;
      while ((stat(`${folder.path}/out`)?.size ?? 0) < pump.moved + notice.length)
        await new Promise((resolve) => setTimeout(resolve, 10));
      write(source.write, new TextEncoder().encode("after"));
      source.write.close();
      assert.equal(await pump.ended, "end");
      assert.equal(told.at(-1), pump.lost);
      assert.ok(readText(`${folder.path}/out`).endsWith(`${notice}after`));
      assert.equal(pump.moved + pump.lost, 1_000_005);
      source.read.close();
    } finally {
      umount(folder.path, 2);
    }
  });
});
