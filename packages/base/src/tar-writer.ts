// The other direction of tar-header.ts: members to ustar headers, with pax records where ustar has no room.
import { TAR_BLOCK, type TarMember, type TarType, XATTR } from "./tar-header.ts";
import { encodeName } from "./tar-name.ts";

const flags: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

const OCTAL_7 = 0o7777777;
const OCTAL_11 = 0o77777777777;

/** The header blocks of a member: one block of 512 bytes, with a pax header in front where it is needed. */
export function encodeTarHeader(member: TarMember): Uint8Array {
  const name = encodeName(member.name);
  const link = encodeName(member.link);
  const { seconds, nanoseconds } = member.mtime;
  const records: Uint8Array[] = [];
  const add = (key: string, value: Uint8Array | string): void => {
    records.push(paxRecord(key, typeof value === "string" ? encodeName(value) : value));
  };
  if (name.length > 100) add("path", name);
  if (link.length > 100) add("linkpath", link);
  if (member.size > OCTAL_11) add("size", String(member.size));
  if (member.uid > OCTAL_7) add("uid", String(member.uid));
  if (member.gid > OCTAL_7) add("gid", String(member.gid));
  if (nanoseconds !== 0 || seconds < 0 || seconds > OCTAL_11) add("mtime", paxTime(seconds, nanoseconds));
  for (const key of [...member.xattrs.keys()].sort()) add(XATTR + key, member.xattrs.get(key) ?? new Uint8Array());

  const main = block(flags[member.type], name, link, member);
  if (records.length === 0) return main;
  const body = concat(records);
  const pax = block("x", encodeName("PaxHeaders/member"), new Uint8Array(), {
    ...member,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: { seconds: 0, nanoseconds: 0 },
    major: 0,
    minor: 0,
  });
  return concat([pax, body, new Uint8Array((TAR_BLOCK - (body.length % TAR_BLOCK)) % TAR_BLOCK), main]);
}

function block(flag: string, name: Uint8Array, link: Uint8Array, member: TarMember): Uint8Array {
  const header = new Uint8Array(TAR_BLOCK);
  const octal = (at: number, length: number, value: number): void => {
    header.set(encodeName(value.toString(8).padStart(length - 1, "0")), at);
  };
  header.set(name.subarray(0, 100), 0);
  octal(100, 8, member.mode & 0o7777);
  octal(108, 8, member.uid > OCTAL_7 ? 0 : member.uid);
  octal(116, 8, member.gid > OCTAL_7 ? 0 : member.gid);
  octal(124, 12, member.size > OCTAL_11 ? 0 : member.size);
  octal(136, 12, Math.min(Math.max(member.mtime.seconds, 0), OCTAL_11));
  header.fill(0x20, 148, 156);
  header[156] = flag.charCodeAt(0);
  header.set(link.subarray(0, 100), 157);
  header.set(encodeName("ustar"), 257);
  header.set([0x30, 0x30], 263);
  octal(329, 8, member.major);
  octal(337, 8, member.minor);
  let sum = 0;
  for (const byte of header) sum += byte;
  octal(148, 7, sum);
  header[154] = 0;
  return header;
}

/** A record counts its own length, digits included. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const head = encodeName(` ${key}=`);
  const rest = head.length + value.length + 1;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return concat([encodeName(String(length)), head, value, Uint8Array.of(0x0a)]);
}

function paxTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const digits = (value: number): string => String(value).padStart(9, "0").replace(/0+$/, "");
  if (seconds >= 0) return `${seconds}.${digits(nanoseconds)}`;
  return `-${-(seconds + 1)}.${digits(1e9 - nanoseconds)}`;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
