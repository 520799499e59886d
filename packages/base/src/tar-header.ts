// The headers of tar archives: ustar, GNU and pax (pax(1) "pax Interchange Format", tar(5)). Bytes in, values out.
import { invalidArgument, unimplemented } from "./errors.ts";
import { decodeName } from "./tar-name.ts";

export const TAR_BLOCK = 512;

/** Bytes of long names and pax records that one member may have; the cap of Go's archive/tar. */
const MAX_EXTENSION = 1 << 20;
/** Longest path a Linux system call takes (PATH_MAX). */
const MAX_NAME = 4096;

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarMember {
  /** As it is in the archive; bytes that are not UTF-8 are escaped (see decodeName). */
  readonly name: string;
  readonly type: TarType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of body that follow, without the padding; 0 for everything that is not a file. */
  readonly size: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
  /** Target of a symlink or a hard link. */
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** An empty file without a name: what a member has unless somebody says otherwise. */
export const emptyMember: TarMember = {
  name: "",
  type: "file",
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  link: "",
  major: 0,
  minor: 0,
  xattrs: new Map(),
};

/** What a header block asks for: nothing (zeros), its own body handed to `extension`, or a member. */
export type TarStep =
  | { readonly at: "zeros" }
  | { readonly at: "extension"; readonly size: number }
  | { readonly at: "member"; readonly member: TarMember };

export interface TarReader {
  /** Takes one block of 512 bytes; invalid-argument where it is no header. */
  header(block: Uint8Array): TarStep;
  /** Takes the body (without padding) which the last header announced. */
  extension(body: Uint8Array): void;
}

const memberTypes: Readonly<Record<string, TarType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};

/** Length of a body with the padding behind it. */
export const paddedSize = (size: number): number => Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;

/**
 * Follows the headers of one archive; the caller moves the bytes. `sumOf` adds up the bytes of a block: where
 * JavaScript is interpreted, that is half of the work, and the host does it in C.
 */
export function createTarReader(sumOf: (block: Uint8Array) => number = sumOfBytes): TarReader {
  let records = new Map<string, Uint8Array>();
  let longName: string | null = null;
  let longLink: string | null = null;
  let extended = 0;
  let pending: string | null = null;
  let last = "";

  const forget = (): void => {
    if (records.size > 0) records = new Map();
    longName = null;
    longLink = null;
    extended = 0;
  };

  return {
    header(block) {
      const sum = checksum(block, sumOf);
      if (sum === 0) return { at: "zeros" };
      const said = Number.parseInt(ascii(block, 148, 156).replaceAll("\0", " "), 8);
      // Old writers added up signed bytes (tar(5)); a block without high bytes has one sum only.
      if (sum !== said && signedChecksum(block) !== said)
        throw invalidArgument(
          last === ""
            ? "this is not a tar archive: the first header's checksum is wrong"
            : `the tar header after member ${JSON.stringify(last)} is damaged: its checksum is wrong`,
        );
      const flag = String.fromCharCode(block[156] ?? 0);
      if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
        const size = number(block, 124, 12, "size", last);
        extended += size;
        if (extended > MAX_EXTENSION)
          throw invalidArgument(
            `the member after ${JSON.stringify(last)} has ${extended} bytes of extended headers: at most ${MAX_EXTENSION} are accepted`,
          );
        pending = flag;
        return { at: "extension", size };
      }
      const member = readMember(block, flag, records, longName, longLink);
      last = member.name.slice(0, 256);
      forget();
      return { at: "member", member };
    },
    extension(body) {
      if (pending === "L") longName = decodeName(untilNul(body, 0, body.length));
      else if (pending === "K") longLink = decodeName(untilNul(body, 0, body.length));
      else if (pending === "x") records = parsePax(body);
      // Global records ("g") describe the archive (git writes its commit there) and change no member.
      pending = null;
    },
  };
}

/** The records of a pax extended header: `LENGTH KEY=VALUE\n`, where values may be any bytes. */
export function parsePax(body: Uint8Array): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const length = space > at && space - at < 10 ? Number(ascii(body, at, space)) : Number.NaN;
    const end = at + length;
    const equals = body.indexOf(0x3d, space + 1);
    if (!Number.isInteger(length) || end > body.length || equals < 0 || equals >= end || body[end - 1] !== 0x0a)
      throw invalidArgument(`a pax extended header is malformed at byte ${at}`);
    records.set(decodeName(body.subarray(space + 1, equals)), body.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function readMember(
  block: Uint8Array,
  flag: string,
  records: ReadonlyMap<string, Uint8Array>,
  longName: string | null,
  longLink: string | null,
): TarMember {
  // An empty value takes a record back: what the header itself says counts (pax(1), and Go's archive/tar).
  const text = (key: string): string | null => {
    const value = records.get(key);
    return value === undefined || value.length === 0 ? null : decodeName(value);
  };
  const name = text("path") ?? longName ?? ustarName(block);
  if (name === "") throw invalidArgument("a tar member has an empty name");
  if (name.length > MAX_NAME)
    throw invalidArgument(
      `the name of tar member ${JSON.stringify(`${name.slice(0, 64)}…`)} has ${name.length} characters: at most ${MAX_NAME} are accepted`,
    );
  for (const part of [name, text("linkpath") ?? ""])
    if (part.includes("\0")) throw invalidArgument(`tar member ${JSON.stringify(name)} has a zero byte in its name`);
  const sparse = flag === "S" || [...records.keys()].some((key) => key.startsWith("GNU.sparse."));
  if (sparse)
    throw unimplemented(
      `tar member ${JSON.stringify(name)} is a sparse file, which is not supported: make the archive without --sparse`,
    );
  let type = memberTypes[flag];
  if (type === undefined)
    throw invalidArgument(`tar member ${JSON.stringify(name)} has the unknown type ${JSON.stringify(flag)}`);
  // Archives from before POSIX mark directories by a slash only (tar(5), old-style archives).
  if (flag === "\0" && name.endsWith("/")) type = "directory";
  const value = (key: string, at: number, length: number): number => {
    const record = text(key);
    if (record === null) return number(block, at, length, key, name);
    if (!/^-?[0-9]{1,15}$/.test(record))
      throw invalidArgument(`tar member ${JSON.stringify(name)} has ${key} ${JSON.stringify(record)}: not a number`);
    return Number(record);
  };
  const id = (key: string, at: number): number => {
    const read = value(key, at, 8);
    const owner = modulo32(read);
    // 4294967295 is (uid_t)-1: "leave as it is" for chown(2).
    if (owner === 0xffffffff)
      throw invalidArgument(`tar member ${JSON.stringify(name)} has ${key} ${read}, which means nobody`);
    return owner;
  };
  const device = type === "char" || type === "block";
  const size = type === "file" ? value("size", 124, 12) : 0;
  if (size < 0) throw invalidArgument(`tar member ${JSON.stringify(name)} has a negative size`);
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, bytes] of records) if (key.startsWith(XATTR)) xattrs.set(key.slice(XATTR.length), bytes);
  return {
    name,
    type,
    mode: modulo32(number(block, 100, 8, "mode", name)) & 0o7777,
    uid: id("uid", 108),
    gid: id("gid", 116),
    size,
    mtime: paxTime(text("mtime"), name) ?? { seconds: number(block, 136, 12, "mtime", name), nanoseconds: 0 },
    link:
      type === "symlink" || type === "hardlink"
        ? (text("linkpath") ?? longLink ?? decodeName(untilNul(block, 157, 100)))
        : "",
    major: device ? modulo32(number(block, 329, 8, "devmajor", name)) : 0,
    minor: device ? modulo32(number(block, 337, 8, "devminor", name)) : 0,
    xattrs,
  };
}

export const XATTR = "SCHILY.xattr.";

function ustarName(block: Uint8Array): string {
  const name = decodeName(untilNul(block, 0, 100));
  // "ustar\0" is POSIX, whose prefix is here; "ustar " is GNU, which keeps times in the same place.
  const posix = ascii(block, 257, 262) === "ustar" && block[262] === 0;
  const prefix = posix ? decodeName(untilNul(block, 345, 155)) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The sum of the bytes with the checksum field as blanks; 0 for a block of zeros. */
function checksum(block: Uint8Array, sumOf: (block: Uint8Array) => number): number {
  let sum = sumOf(block);
  if (sum === 0) return 0;
  for (let at = 148; at < 156; at++) sum += 0x20 - (block[at] ?? 0);
  return sum;
}

function signedChecksum(block: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    sum += byte > 0x7f ? byte - 0x100 : byte;
  }
  return sum;
}

function sumOfBytes(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) sum += bytes[at] ?? 0;
  return sum;
}

/** What the kernel makes of a number that is handed to it as an id or a device: its lowest 32 bits. */
const modulo32 = (value: number): number => value - Math.floor(value / 2 ** 32) * 2 ** 32;

/** As Go's archive/tar reads it: octal digits amid blanks and zeros, or base 256 (GNU, star). May be negative. */
function number(block: Uint8Array, at: number, length: number, what: string, name: string): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    const value = base256(block.subarray(at, at + length));
    if (value === null) throw invalidArgument(`tar member ${JSON.stringify(name)} has a ${what} that is too large`);
    return value;
  }
  const end = at + length;
  let position = at;
  while (position < end && (block[position] === 0x20 || block[position] === 0)) position++;
  let value = 0;
  for (; position < end; position++) {
    const digit = (block[position] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // What is behind a zero byte does not count.
  for (; position < end && block[position] !== 0; position++)
    if (block[position] !== 0x20)
      throw invalidArgument(`tar member ${JSON.stringify(name)} has a ${what} that is not an octal number`);
  return value;
}

/** Two's complement, big-endian, the first bit set as a mark; null for what 64 bits do not hold. */
function base256(bytes: Uint8Array): number | null {
  let value = (bytes[0] ?? 0) & 0x40 ? -1n : 0n;
  for (const [position, byte] of bytes.entries())
    value = (value << 8n) | BigInt(position === 0 ? (byte & 0x7f) | (value < 0n ? 0x80 : 0) : byte);
  if (BigInt.asIntN(64, value) !== value) return null;
  // Sizes and times beyond 2^53 are beyond every file, and may lose their last digits.
  return Number(value);
}

/** `seconds[.fraction]`; null where there is no record. */
function paxTime(text: string | null, name: string): TarMember["mtime"] | null {
  if (text === null) return null;
  const match = /^(-?\d{1,12})(?:\.(\d*))?$/.exec(text);
  if (match === null)
    throw invalidArgument(`tar member ${JSON.stringify(name)} has mtime ${JSON.stringify(text)}: not a time`);
  const fraction = Number((match[2] ?? "").padEnd(9, "0").slice(0, 9));
  const seconds = Number(match[1]);
  if (!text.startsWith("-") || fraction === 0) return { seconds, nanoseconds: fraction };
  return { seconds: seconds - 1, nanoseconds: 1e9 - fraction };
}

function untilNul(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const end = bytes.subarray(at, at + length).indexOf(0);
  return bytes.subarray(at, end < 0 ? at + length : at + end);
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}
