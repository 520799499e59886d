import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  chmod,
  exists,
  Fd,
  isCode,
  lstat,
  mkdir,
  mkdirAll,
  mkfifo,
  O,
  open,
  pipe,
  read,
  readdir,
  readFile,
  readlink,
  readText,
  removeTree,
  rename,
  SystemError,
  sha256,
  stat,
  symlink,
  unlink,
  write,
  writeFile,
  writeFileAtomic,
} from "@berth/host";
import { temporary } from "./temporary.ts";
import { itLeavesNothing } from "./without-leak.ts";

const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return error instanceof SystemError ? error.code : String(error);
  }
};

describe("a descriptor", () => {
  itLeavesNothing("is closed once, and refuses use after that", () => {
    const fd = open("/dev/null", O.RDWR);
    fd.close();
    fd.close();
    assert.ok(fd.closed);
    assert.equal(
      codeOf(() => read(fd, 1)),
      "EBADF",
    );
  });
  itLeavesNothing("can be given away", () => {
    const fd = open("/dev/null", O.RDWR);
    using other = new Fd(fd.release(), "again");
    assert.ok(fd.closed);
    assert.equal(write(other, new Uint8Array(3)), 3);
  });
  itLeavesNothing("of an empty pipe would block, of a closed one is at its end", () => {
    const { read: from, write: to } = pipe({ nonblock: true });
    using _from = from;
    assert.equal(read(from, 10), null);
    write(to, new Uint8Array([1, 2, 3]));
    assert.deepEqual([...(read(from, 2) ?? [])], [1, 2]);
    let written = 0;
    for (let count = 0; count >= 0; count = write(to, new Uint8Array(65536))) written += count;
    to.close();
    let total = 0;
    for (let chunk = read(from, 65536); chunk !== null && chunk.length > 0; chunk = read(from, 65536))
      total += chunk.length;
    assert.equal(total, written + 1);
    assert.equal(read(from, 1)?.length, 0);
  });
});

describe("a file", () => {
  itLeavesNothing("is written and read whole", () => {
    using folder = temporary();
    const path = `${folder.path}/file`;
    writeFile(path, "text ż");
    writeFile(path, new TextEncoder().encode("+more"), { append: true });
    assert.equal(readText(path), "text ż+more");
    assert.equal(
      codeOf(() => writeFile(path, "", { exclusive: true })),
      "EEXIST",
    );
    assert.equal(
      codeOf(() => readFile(path, 3)),
      "EFBIG",
    );
    assert.equal(readFile(path, 12).length, 12);
    writeFile(path, "");
    assert.equal(readFile(path).length, 0);
  });
  itLeavesNothing("that says size 0 is read to its end", () => {
    assert.match(readText("/proc/self/status"), /^Name:.*\n[\s\S]*nonvoluntary_ctxt_switches/);
  });
  itLeavesNothing("is replaced whole, with its mode", () => {
    using folder = temporary();
    const path = `${folder.path}/state.json`;
    writeFileAtomic(path, "1");
    writeFileAtomic(path, "2", { mode: 0o600, sync: true });
    assert.equal(readText(path), "2");
    assert.equal(stat(path)?.mode, 0o600);
    assert.deepEqual(readdir(folder.path), ["state.json"]);
    mkdir(`${folder.path}/taken`, 0o700);
    assert.equal(
      codeOf(() => writeFileAtomic(`${folder.path}/taken`, "3")),
      "EISDIR",
    );
    assert.deepEqual(readdir(folder.path).sort(), ["state.json", "taken"]);
  });
  itLeavesNothing("that is missing is named in the error", () => {
    assert.throws(() => open("/no/such file", O.RDONLY), {
      code: "ENOENT",
      errno: 2,
      syscall: "open",
      path: "/no/such file",
      message: 'open "/no/such file": no such file or directory',
    });
    assert.equal(stat("/no/such"), null);
    assert.equal(stat("/dev/null/x"), null);
    assert.ok(!exists("/no"));
    unlink("/no/such", { force: true });
    assert.ok(isCode(new SystemError(2, "x", ""), "EACCES", "ENOENT"));
  });
  itLeavesNothing("whose name has a NUL in it is refused", () => {
    assert.throws(() => open("/dev/null\0/etc/shadow", O.RDONLY), TypeError);
  });
});

describe("a directory", () => {
  itLeavesNothing("shows what is in it, by kind", () => {
    using folder = temporary();
    mkdirAll(`${folder.path}/a/b/c/`, 0o755);
    mkdirAll(`${folder.path}/a/b`, 0o700);
    symlink("b", `${folder.path}/a/link`);
    mkfifo(`${folder.path}/a/fifo`, 0o622);
    const kind = (name: string) => lstat(`${folder.path}/a/${name}`)?.kind;
    assert.deepEqual(["b", "link", "fifo"].map(kind), ["directory", "symlink", "fifo"]);
    assert.equal(lstat(`${folder.path}/a/fifo`)?.mode, 0o622);
    assert.equal(readlink(`${folder.path}/a/link`), "b");
    rename(`${folder.path}/a/link`, `${folder.path}/a/renamed`);
    assert.deepEqual(readdir(`${folder.path}/a`).sort(), ["b", "fifo", "renamed"]);
    writeFile(`${folder.path}/f`, "");
    assert.equal(
      codeOf(() => mkdirAll(`${folder.path}/f/x`, 0o755)),
      "ENOTDIR",
    );
    assert.equal(
      codeOf(() => mkdirAll(`${folder.path}/f`, 0o755)),
      "ENOTDIR",
    );
  });
  itLeavesNothing("is not made where none can be, however deep", () => {
    using folder = temporary();
    symlink("nowhere", `${folder.path}/dangling`);
    for (const [path, code] of [
      ["/proc/none", "ENOENT"],
      ["/proc/none/x/y", "ENOENT"],
      [`/proc/self/fd/${"d/".repeat(1800)}`, "ENOENT"],
      [`${folder.path}/dangling/x`, "EEXIST"],
      [`${folder.path}/${"d/".repeat(3000)}`, "ENAMETOOLONG"],
      ["", "ENOENT"],
    ] as const)
      assert.equal(
        codeOf(() => mkdirAll(path, 0o755)),
        code,
        path,
      );
    const deep = `${folder.path}/${"d/".repeat(1900)}`;
    mkdirAll(deep, 0o755);
    mkdirAll(`${deep}/.`, 0o755);
    assert.equal(stat(deep)?.kind, "directory");
  });
  itLeavesNothing("is removed with everything in it, and nothing that its links point to", () => {
    using folder = temporary();
    mkdirAll(`${folder.path}/keep`, 0o755);
    writeFile(`${folder.path}/keep/file`, "kept");
    mkdirAll(`${folder.path}/gone/x/y`, 0o755);
    symlink("../keep", `${folder.path}/gone/link`);
    for (let i = 0; i < 300; i++) writeFile(`${folder.path}/gone/x/${i}`, "");
    chmod(`${folder.path}/gone/x/y`, 0o500);
    removeTree(`${folder.path}/gone`);
    removeTree(`${folder.path}/gone`);
    assert.ok(!exists(`${folder.path}/gone`));
    assert.equal(readText(`${folder.path}/keep/file`), "kept");
  });
  itLeavesNothing("is removed however deep it is", () => {
    using folder = temporary();
    let path = `${folder.path}/deep`;
    for (let i = 0; i < 300; i++) path += "/d";
    mkdirAll(path, 0o755);
    writeFile(`${path}/file`, "");
    removeTree(`${folder.path}/deep`);
    assert.ok(!exists(`${folder.path}/deep`));
  });
});

describe("a hash", () => {
  for (const [text, expected] of [
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
  ] as const) {
    itLeavesNothing(`of ${text.length} characters is what FIPS 180-4 says`, () => {
      assert.equal(sha256(new TextEncoder().encode(text)), expected);
    });
  }
});
