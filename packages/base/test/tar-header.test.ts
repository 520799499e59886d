import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  BerthError,
  createTarReader,
  decodeName,
  emptyMember,
  encodeName,
  encodeTarHeader,
  paddedSize,
  parsePax,
  TAR_BLOCK,
  type TarMember,
} from "../src/index.ts";

const plain: TarMember = { ...emptyMember, name: "file", mode: 0o644 };

/** The members that a reader finds in a tar without bodies. */
function read(tar: Uint8Array): TarMember[] {
  const reader = createTarReader();
  const members: TarMember[] = [];
  for (let at = 0; at < tar.length; ) {
    const step = reader.header(tar.subarray(at, at + TAR_BLOCK));
    at += TAR_BLOCK;
    if (step.at === "extension") {
      reader.extension(tar.subarray(at, at + step.size));
      at += paddedSize(step.size);
    } else if (step.at === "member") {
      members.push(step.member);
      at += paddedSize(step.member.size);
    }
  }
  return members;
}

const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 200 })
  .filter((text) => !/[\0/\ud800-\udfff]/.test(text));
const member: fc.Arbitrary<TarMember> = fc.record(
  {
    name,
    type: fc.constantFrom("file", "directory", "fifo"),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 0xfffffffe }),
    gid: fc.integer({ min: 0, max: 0xfffffffe }),
    size: fc.constant(0),
    mtime: fc.record({
      seconds: fc.integer({ min: -(2 ** 35), max: 2 ** 35 }),
      nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
    }),
    link: fc.constant(""),
    major: fc.constant(0),
    minor: fc.constant(0),
    xattrs: fc.uint8Array({ maxLength: 300 }).map((value) => new Map(value.length === 0 ? [] : [["user.x", value]])),
  },
  { noNullPrototype: true },
);

describe("tar headers", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(member, (written) => {
        const [found] = read(encodeTarHeader(written));
        // fast-check makes records without a prototype.
        assert.deepEqual(found, { ...written, mtime: { ...written.mtime } });
      }),
    );
  });

  it("are refused or read, whatever the bytes: nothing else is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (bytes) => {
        try {
          createTarReader().header(bytes);
        } catch (error) {
          assert.ok(error instanceof BerthError, String(error));
        }
      }),
    );
  });

  it("with one byte changed are refused or read", () => {
    const header = encodeTarHeader({ ...plain, name: "some/file", size: 5, uid: 12 });
    fc.assert(
      fc.property(fc.nat(511), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Uint8Array.from(header);
        changed[at] = byte;
        try {
          createTarReader().header(changed);
        } catch (error) {
          assert.ok(error instanceof BerthError, String(error));
        }
      }),
    );
  });

  for (const format of ["gnu", "posix", "ustar", "v7", "oldgnu"] as const)
    it(`of GNU tar's format ${format} are read`, () => {
      const long = format === "v7" || format === "ustar" ? "short" : `${"d".repeat(90)}/${"n".repeat(200)}`;
      const script =
        'mkdir -p "$2/$(dirname "$1")" && cd "$2" && echo hello > "$1" && ln -s target link && tar --sort=name --format="$0" --owner=7 --group=8 --mtime=@1600000000 -cf - .';
      const dir = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
      try {
        const tar = execFileSync("sh", ["-c", script, format, long, dir]);
        const members = read(tar);
        const file = members.find(({ type }) => type === "file");
        assert.equal(file?.name, `./${long}`);
        assert.deepEqual([file?.size, file?.uid, file?.gid, file?.mtime.seconds], [6, 7, 8, 1_600_000_000]);
        assert.equal(members.find(({ type }) => type === "symlink")?.link, "target");
      } finally {
        execFileSync("rm", ["-r", dir]);
      }
    });

  /** A header with bytes of a field replaced, and a checksum that is right, or that of signed bytes. */
  function headerWith(at: number, bytes: readonly number[], signed = false): Uint8Array {
    const header = encodeTarHeader(plain);
    header.set(bytes, at);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + (signed && byte > 0x7f ? byte - 0x100 : byte), 0);
    header.set(encodeName(sum.toString(8).padStart(6, "0")), 148);
    return header;
  }
  const octal = (text: string): number[] => [...encodeName(text)];
  const [UID, SIZE, MTIME] = [108, 124, 136];

  // What Go's archive/tar and chown(2) make of each.
  const numbers: readonly (readonly [title: string, at: number, bytes: readonly number[], outcome: number | RegExp])[] =
    [
      ["base 256", SIZE, [0x80, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0], 0x10_0000_0000],
      ["base 256 in its first byte as well", UID, [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], 0x7fffffff],
      ["a negative size", SIZE, Array(12).fill(0xff), /negative size/],
      ["a negative time", MTIME, [...Array(11).fill(0xff), 0xfe], -2],
      ["a time of long ago", MTIME, [0xff, 0xff, 0xff, 0xff, 0x80, ...Array(7).fill(0)], -(2 ** 63)],
      [
        "a time that 64 bits do not hold",
        MTIME,
        [0xff, 0xff, 0xff, 0x7f, ...Array(8).fill(0xff)],
        /mtime that is too large/,
      ],
      ["a negative owner, which wraps", UID, [...Array(7).fill(0xff), 0xfe], 0xfffffffe],
      ["an owner beyond 32 bits, which wraps", UID, [0x80, 0, 0, 1, 0, 0, 0, 7], 7],
      ["an owner that means nobody", UID, Array(8).fill(0xff), /uid -1, which means nobody/],
      ["octal digits amid blanks", UID, octal("  17  \0"), 15],
      ["octal digits before a zero byte", UID, octal("17\0xyz\0"), 15],
      ["octal digits before a blank and more", UID, octal("17 5\0"), /uid that is not an octal number/],
      ["no digits", UID, octal("       \0"), 0],
      ["other digits", UID, octal("129\0"), /uid that is not an octal number/],
    ];
  for (const [title, at, bytes, outcome] of numbers)
    it(`with ${title} are ${typeof outcome === "number" ? `read: ${outcome}` : "refused"}`, () => {
      const read = () => {
        const step = createTarReader().header(headerWith(at, bytes));
        assert.ok(step.at === "member");
        const { uid, size, mtime } = step.member;
        return { [UID]: uid, [SIZE]: size, [MTIME]: mtime.seconds }[at];
      };
      if (typeof outcome === "number") assert.equal(read(), outcome);
      else assert.throws(read, outcome);
    });

  it("with a checksum of signed bytes are read", () => {
    const step = createTarReader().header(headerWith(0, [0xe4, 0xf6], true));
    assert.equal(step.at === "member" && step.member.type, "file");
  });

  it("with an empty record of pax are read as the header says", () => {
    const body = encodeName("8 path=\n13 linkpath=\n7 uid=\n8 size=\n9 mtime=\n");
    const reader = createTarReader();
    const header = encodeTarHeader({ ...plain, uid: 7, mtime: { seconds: 9, nanoseconds: 0 } });
    const extension = headerWith(156, octal("x"));
    assert.equal(reader.header(extension).at, "extension");
    reader.extension(body);
    const step = reader.header(header);
    assert.ok(step.at === "member");
    assert.deepEqual([step.member.name, step.member.uid, step.member.mtime.seconds], ["file", 7, 9]);
  });

  it("with an attribute that is empty keep it", () => {
    const [member] = read(encodeTarHeader({ ...plain, xattrs: new Map([["user.empty", new Uint8Array()]]) }));
    assert.deepEqual(member?.xattrs.get("user.empty"), new Uint8Array());
  });

  it("whose file's name ends in a slash are directories in the oldest format only", () => {
    const type = (flag: number): string => {
      const step = createTarReader().header(headerWith(0, [...octal("dir/\0"), ...Array(151).fill(0), flag]));
      return step.at === "member" ? step.member.type : step.at;
    };
    assert.deepEqual([type(0), type(0x30)], ["directory", "file"]);
  });
});

describe("pax records", () => {
  it("keep values of any bytes", () => {
    const value = Uint8Array.of(0, 0xff, 0x0a, 0x3d);
    const record = Uint8Array.from([...encodeName("10 k="), ...value, 0x0a]);
    assert.deepEqual(parsePax(record).get("k"), value);
  });

  for (const text of ["5 a\n", "x a=b\n", "7 a=b\n", "6 a=b ", "0 a=b\n", "-6 a=b\n", "6a=b\n", "99999999999 a=b\n"])
    it(`${JSON.stringify(text)} is malformed`, () => {
      assert.throws(() => parsePax(encodeName(text)), /malformed/);
    });
});

describe("file names", () => {
  it("are any bytes, there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => assert.deepEqual(encodeName(decodeName(bytes)), bytes)),
    );
  });
});
