// Layers that want to write elsewhere, to confuse or to exhaust. Whatever they hold, the canary stays untouched.
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { makeTar, type TarEntry } from "../support/image.ts";
import { buildUnpack, makeWorkplace, type Workplace, walkTree } from "./harness.ts";

const root = process.getuid?.() === 0;
const programs = root
  ? ([
      ["berth-unpack", await buildUnpack()],
      ["berth-unpack with sanitizers", await buildUnpack("asan")],
    ] as const)
  : [];

interface Case {
  readonly title: string;
  readonly members: (place: Workplace) => readonly TarEntry[] | Uint8Array;
  readonly prepare?: (place: Workplace) => void;
  /** Refused so; otherwise the layer is applied. */
  readonly refused?: readonly [kind: string, message: RegExp];
  readonly after?: (place: Workplace) => void;
}

/** A member with pax records in front of it. */
function withPax(records: Record<string, string>, member: TarEntry): Uint8Array {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + String(rest).length;
    if (String(length).length !== String(rest).length) length = rest + String(length).length;
    return `${length} ${key}=${value}\n`;
  });
  return Buffer.concat([extension("x", lines.join("")), makeTar([member])]);
}

/** The header and body of an extension (pax, GNU long name), without the end of an archive. */
function extension(flag: string, body: string): Buffer {
  const tar = Buffer.from(makeTar([{ path: "extension", content: body }]).slice(0, -1024));
  tar[156] = flag.charCodeAt(0);
  return fixChecksum(tar);
}

function fixChecksum(tar: Buffer): Buffer {
  tar.fill(0x20, 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return tar;
}

const file = (path: string, content = "evil"): TarEntry => ({ path, content });
const symlink = (path: string, link: string): TarEntry => ({ path, type: "symlink", link });
const text = (place: Workplace, path: string): string => readFileSync(join(place.root, path), "utf8");

const cases: readonly Case[] = [
  {
    title: "a member that climbs out of the root is refused",
    members: () => [file("../canary/file")],
    refused: ["invalid-argument", /"..\/canary\/file" leads out of the layer's root/],
  },
  {
    title: "a member that climbs out through a directory is refused",
    members: () => [file("a/../../canary/file")],
    refused: ["invalid-argument", /leads out/],
  },
  {
    title: "dots that stay inside are cleaned away",
    members: () => [file("./a/b/../c", "x")],
    after: (place) => assert.equal(text(place, "a/c"), "x"),
  },
  {
    title: "an absolute name is below the root",
    members: (place) => [file(`${place.canary}/file`)],
    after: (place) => assert.equal(text(place, `${place.canary}/file`), "evil"),
  },
  {
    title: "a file cannot be written through an absolute symlink to the outside",
    members: (place) => [symlink("door", place.canary), file("door/file")],
    after: (place) => {
      assert.equal(readlinkSync(join(place.root, "door")), place.canary);
      assert.equal(text(place, `${place.canary}/file`), "evil");
    },
  },
  {
    title: "a file cannot be written through a relative symlink to the outside",
    members: () => [symlink("door", "../canary"), file("door/file")],
    after: (place) => assert.equal(text(place, "canary/file"), "evil"),
  },
  {
    title: "a symlink of an earlier layer leads nowhere but inside",
    prepare: (place) => symlinkSync(place.canary, join(place.root, "door")),
    members: () => [file("door/file"), { path: "door/made", type: "directory" }],
    after: (place) => assert.equal(existsSync(join(place.canary, "made")), false),
  },
  {
    title: "a file in the place of a symlink replaces it and is not written through it",
    members: (place) => [symlink("file", join(place.canary, "file")), file("file", "mine")],
    after: (place) => {
      assert.equal(lstatSync(join(place.root, "file")).isFile(), true);
      assert.equal(text(place, "file"), "mine");
    },
  },
  {
    title: "a directory in the place of a symlink replaces it",
    members: (place) => [symlink("d", place.canary), { path: "d", type: "directory" }, file("d/new")],
    after: (place) => assert.equal(lstatSync(join(place.root, "d")).isDirectory(), true),
  },
  {
    title: "a directory that becomes a symlink between two members is not used any more",
    members: (place) => [{ path: "d", type: "directory" }, file("d/one"), symlink("d", place.canary), file("d/file")],
    after: (place) => assert.equal(lstatSync(join(place.root, "d")).isSymbolicLink(), true),
  },
  {
    title: "a chain of symlinks ends inside",
    members: () => [symlink("a", "b"), symlink("b", "../../../../.."), file("a/canary/file"), file("a/tmp/x")],
    after: (place) => assert.equal(text(place, "tmp/x"), "evil"),
  },
  {
    title: "symlinks in a ring are refused",
    members: () => [symlink("a", "b"), symlink("b", "a"), file("a/x")],
    refused: ["invalid-argument", /too many symbolic links/],
  },
  {
    title: "magic links of proc are not followed",
    members: () => [symlink("p", "/proc/self/root"), file("p/x")],
  },
  {
    title: "a hard link to the outside is refused",
    members: () => [{ path: "h", type: "hardlink", link: "../canary/file" }],
    refused: ["invalid-argument", /hard link "h".*"..\/canary\/file" leads out/],
  },
  {
    title: "a hard link with an absolute name is looked for inside",
    members: (place) => [{ path: "h", type: "hardlink", link: `${place.canary}/file` }],
    refused: ["invalid-argument", /hard link "h" points at ".*", which is not there/],
  },
  {
    title: "a hard link through a symlink to the outside finds nothing",
    members: (place) => [symlink("door", place.canary), { path: "h", type: "hardlink", link: "door/file" }],
    refused: ["invalid-argument", /which is not there/],
  },
  {
    title: "a hard link to a symlink links the symlink itself",
    members: (place) => [
      symlink("s", join(place.canary, "file")),
      { path: "h", type: "hardlink", link: "s" },
      file("h", "own"),
    ],
    after: (place) => assert.equal(text(place, "h"), "own"),
  },
  {
    title: "a whiteout through a symlink removes nothing outside",
    members: (place) => [symlink("door", place.canary), file("door/.wh.file", "")],
  },
  {
    title: "an opaque marker behind a symlink empties nothing outside",
    members: (place) => [symlink("door", place.canary), file("door/.wh..wh..opq", "")],
  },
  ...[".wh.", ".wh..", ".wh..."].map(
    (name): Case => ({
      title: `the whiteout ${name} names no file and is refused`,
      members: () => [file(`a/${name}`, "")],
      refused: ["invalid-argument", /names no file/],
    }),
  ),
  {
    title: "the root itself is left alone",
    members: () => [{ path: ".", type: "directory", mode: 0o777 }, { path: "/", type: "directory" }, file("x")],
    after: (place) => assert.equal(statSync(place.root).mode & 0o777, 0o755),
  },
  {
    title: "the marker of an overlay's whiteout cannot be smuggled in as a device",
    members: () => [{ path: "gone", type: "char", device: [0, 0] }],
    refused: ["invalid-argument", /"gone" is the character device 0:0, which is reserved/],
  },
  {
    title: "devices are made as they are described",
    members: () => [
      { path: "null", type: "char", device: [1, 3], mode: 0o666 },
      { path: "pipe", type: "fifo", mode: 0o600 },
    ],
    after: (place) => assert.equal(statSync(join(place.root, "null")).rdev, 0x103),
  },
  {
    title: "a file where a directory is needed is named",
    members: () => [file("a"), file("a/b")],
    refused: ["invalid-argument", /"a" is not a directory/],
  },
  {
    title: "a file name of 300 bytes is refused",
    members: () => withPax({ path: "n".repeat(300) }, file("x")),
    refused: ["invalid-argument", /is too long/],
  },
  {
    title: "a path of 5000 bytes is refused",
    members: () => withPax({ path: "d/".repeat(2500) }, file("x")),
    refused: ["invalid-argument", /5000 characters: at most 4096/],
  },
  {
    title: "a pax path that climbs is refused like any other",
    members: () => withPax({ path: "../canary/file" }, file("harmless")),
    refused: ["invalid-argument", /leads out/],
  },
  {
    title: "a name with a zero byte is refused",
    members: () => withPax({ path: "a\0b" }, file("x")),
    refused: ["invalid-argument", /zero byte/],
  },
  {
    title: "pax records of two megabytes are refused",
    members: () => withPax({ comment: "c".repeat(2 << 20) }, file("x")),
    refused: ["invalid-argument", /extended headers: at most 1048576/],
  },
  {
    title: "many pax headers for one member are refused together",
    members: () =>
      Buffer.concat([...Array(5)].map(() => extension("x", `${300 * 1024} k=${"v".repeat(300 * 1024 - 10)}\n`))),
    refused: ["invalid-argument", /extended headers/],
  },
  {
    title: "malformed pax records are refused",
    members: () => Buffer.concat([extension("x", "99999 path=x\n"), makeTar([file("x")])]),
    refused: ["invalid-argument", /pax extended header is malformed/],
  },
  {
    title: "a header with a wrong checksum is refused and says where",
    members: () => {
      const tar = Buffer.from(makeTar([file("first"), file("second")]));
      tar[1024] = 0x41;
      return tar;
    },
    refused: ["invalid-argument", /after member "first" is damaged/],
  },
  { title: "an empty blob is an empty layer", members: () => new Uint8Array() },
  {
    title: "bytes that are no tar are refused",
    members: () => Buffer.alloc(2048, "not a tar "),
    refused: ["invalid-argument", /not a tar archive/],
  },
  {
    title: "a tar that ends in a body is truncated",
    members: () => makeTar([file("big", "x".repeat(5000))]).slice(0, 2000),
    refused: ["data-loss", /truncated.*"big"/],
  },
  {
    title: "a gzip blob that ends early is damaged",
    members: () =>
      gzipSync(
        makeTar([file("big", Buffer.from([...Array(50_000)].map((_, at) => (at * 7919) % 251)).toString("latin1"))]),
      ).slice(0, -300),
    refused: ["data-loss", /sha256:test is not valid gzip data/],
  },
  {
    title: "a zstd blob that ends early is damaged",
    members: () => zstdCompressSync(makeTar([file("big", "x".repeat(50_000))])).slice(0, -5),
    refused: ["data-loss", /sha256:test is not valid zstd data/],
  },
  {
    title: "xz is named as not supported",
    members: () => Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2]),
    refused: ["unimplemented", /compressed with xz/],
  },
  {
    title: "a size in base 256 beyond the file is truncated, not allocated",
    members: () => {
      const tar = Buffer.from(makeTar([file("huge", "x")]));
      Buffer.from([0x80, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]).copy(tar, 124);
      return fixChecksum(tar);
    },
    refused: ["data-loss", /truncated/],
  },
  {
    title: "an owner of 2^32-1 is refused: it would mean nobody in particular",
    members: () => withPax({ uid: "4294967295" }, file("x")),
    refused: ["invalid-argument", /uid 4294967295, which means nobody/],
  },
  {
    title: "sparse files are refused by name",
    members: () => withPax({ "GNU.sparse.major": "1", "GNU.sparse.name": "s" }, file("sparse")),
    refused: ["unimplemented", /"sparse" is a sparse file/],
  },
  {
    title: "attributes that steer overlayfs are left out",
    members: () =>
      withPax(
        { "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.ok": "1" },
        { path: "d", type: "directory" },
      ),
  },
];

for (const [title, program] of programs)
  describe(`hostile layers and ${title}`, () => {
    for (const { title, members, prepare, refused, after } of cases) {
      it(title, () => {
        using place = makeWorkplace(program);
        prepare?.(place);
        const outside = walkTree(place.canary);
        const made = members(place);
        const layer = made instanceof Uint8Array ? made : makeTar(made);
        const { status, answer, stderr } = place.apply(layer);
        assert.equal(stderr, "");
        if (refused === undefined) {
          assert.equal(status, 0, JSON.stringify(answer));
        } else {
          assert.equal(answer.kind, refused[0], JSON.stringify(answer));
          assert.match(String(answer.message), refused[1]);
          assert.equal(status, 1);
        }
        assert.deepEqual(walkTree(place.canary), outside, "the canary is untouched");
        assert.deepEqual(
          readdirSync(place.dir)
            .sort()
            .filter((name) => name !== "mnt"),
          ["canary", "layer", "root"],
        );
        after?.(place);
      });
    }

    it("a deep tree is removed without running out of descriptors", () => {
      using place = makeWorkplace(program);
      const path = Array(1500).fill("d").join("/");
      assert.equal(place.apply(withPax({ path: `${path}/f` }, file("x"))).status, 0);
      assert.equal(place.apply(makeTar([file(".wh.d", "")])).status, 0);
      assert.deepEqual(readdirSync(place.root), []);
    });

    it("a cap on the uncompressed size is kept while it unpacks", () => {
      using place = makeWorkplace(program);
      const bomb = gzipSync(makeTar([file("bomb", "0".repeat(4 << 20))]));
      const { answer } = place.apply(bomb, undefined, { maxBytes: 1 << 20 });
      assert.equal(answer.kind, "resource-exhausted");
    });

    it("a read-only mount is refused before anything is read", () => {
      using place = makeWorkplace(program);
      mkdirSync(join(place.root, "x"));
      writeFileSync(join(place.root, "x/y"), "");
      const { answer } = place.apply(makeTar([]), [
        { type: "bind", source: place.root, target: "", options: ["rbind", "ro"] },
      ]);
      assert.equal(answer.kind, "failed-precondition");
    });
  });
