// The same layers through Debian's containerd and through berth-unpack, and GNU tar's opinion of both results.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { encodeTarHeader, paddedSize, type TarMember } from "@berth/base";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { busyboxEntries, makeTar, writeBusyboxImage } from "../support/image.ts";
import { bindMount, buildUnpack, listTar, type Mount, makeWorkplace, tarOf } from "./harness.ts";
import { tarMembers } from "./tar-members.ts";

type Part = Partial<Omit<TarMember, "size" | "xattrs">> & {
  name: string;
  body?: string;
  xattrs?: Readonly<Record<string, Uint8Array>>;
};

/** A tar with everything that pax can say. */
function paxTar(parts: readonly Part[]): Uint8Array {
  const blocks = parts.flatMap(({ body = "", xattrs = {}, ...part }) => {
    const bytes = Buffer.from(body);
    const type = part.type ?? "file";
    const member: TarMember = {
      type,
      mode: type === "directory" ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      mtime: { seconds: 1_600_000_000, nanoseconds: 0 },
      link: "",
      major: 0,
      minor: 0,
      ...part,
      size: bytes.length,
      xattrs: new Map(Object.entries(xattrs)),
    };
    return [encodeTarHeader(member), bytes, new Uint8Array(paddedSize(bytes.length) - bytes.length)];
  });
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

/** A file capability: version 2, cap_net_raw permitted and effective (linux/capability.h, vfs_cap_data). */
const netRaw = Buffer.from("0100000200200000000000000000000000000000", "hex");
const long = `${"long/".repeat(30)}${"n".repeat(120)}`;

const first = paxTar([
  {
    name: "d/",
    type: "directory",
    mode: 0o2750,
    uid: 7,
    gid: 8,
    mtime: { seconds: 1_500_000_000, nanoseconds: 123456789 },
  },
  { name: "d/setuid", mode: 0o4755, uid: 1000, gid: 1000, body: "#!" },
  {
    name: "d/capable",
    mode: 0o755,
    body: "binary",
    xattrs: { "security.capability": netRaw, "user.note": Buffer.from("héllo") },
  },
  { name: "d/linked", body: "two names" },
  { name: "d/other", type: "hardlink", link: "d/linked", body: "" },
  { name: "d/far", uid: 3_000_000, gid: 4_000_000_000, body: "far", mtime: { seconds: 1, nanoseconds: 5 } },
  { name: "d/dangling", type: "symlink", link: "/no/where", uid: 5, gid: 6, mode: 0o777 },
  { name: "d/pipe", type: "fifo", mode: 0o640 },
  { name: "d/zero", type: "char", major: 1, minor: 5, mode: 0o666 },
  { name: "d/disk", type: "block", major: 7, minor: 300, mode: 0o660, gid: 6 },
  { name: `d/${long}`, body: "deep" },
  { name: "d/na\udcffme", body: "no utf-8" },
  { name: "d/ümlaut", type: "symlink", link: `d/${"t".repeat(150)}` },
  {
    name: "d/",
    type: "directory",
    mode: 0o2750,
    uid: 7,
    gid: 8,
    mtime: { seconds: 1_500_000_000, nanoseconds: 123456789 },
  },
  { name: "opaque/", type: "directory" },
  { name: "opaque/old", body: "old" },
  { name: "opaque/kept/", type: "directory" },
  { name: "opaque/kept/old", body: "old" },
  { name: "replaced/", type: "directory" },
  { name: "replaced/inside", body: "x" },
  { name: "becomes-dir", body: "x" },
]);

const second = paxTar([
  { name: "d/.wh.linked", mode: 0 },
  { name: "d/.wh.not-there", mode: 0 },
  { name: "d/setuid", mode: 0o755, body: "changed" },
  { name: "d/", type: "directory", mode: 0o700, mtime: { seconds: 1_500_000_001, nanoseconds: 0 } },
  { name: "opaque/", type: "directory", mode: 0o711 },
  {
    name: "d/hard",
    type: "hardlink",
    link: "d/setuid",
    uid: 5,
    gid: 6,
    mode: 0o4711,
    mtime: { seconds: 9, nanoseconds: 0 },
  },
  { name: "d/second-link", type: "symlink", link: "/no/where" },
  { name: "d/hard-symlink", type: "hardlink", link: "d/second-link", uid: 5, gid: 7, mode: 0o600 },
  { name: "d/old", body: "x", mtime: { seconds: -5, nanoseconds: 0 } },
  { name: "d/late", body: "x", mtime: { seconds: 20_000_000_000, nanoseconds: 0 } },
  { name: "opaque/.wh..wh..opq", mode: 0 },
  { name: "opaque/new", body: "new" },
  { name: "opaque/kept/", type: "directory" },
  { name: "opaque/kept/new", body: "new" },
  { name: "replaced", body: "a file now" },
  { name: "becomes-dir/", type: "directory" },
  { name: "becomes-dir/x", body: "x" },
  { name: ".wh..wh.plnk", body: "aufs" },
  { name: ".wh..wh.aufs", body: "aufs" },
  { name: "./dotted//name", body: "x" },
  { name: "/absolute/name", body: "x" },
  { name: "dotted/", type: "directory" },
  { name: "absolute/", type: "directory" },
  { name: "opaque/", type: "directory", mode: 0o711 },
  { name: "opaque/kept/", type: "directory" },
]);

const sha = (data: string | Uint8Array): string => `sha256:${createHash("sha256").update(data).digest("hex")}`;

describe("berth-unpack and containerd 1.6", { skip: hasContainerd() ? false : "needs containerd and root" }, () => {
  it("make the same filesystem of the same layers", async () => {
    const program = await buildUnpack();
    using place = makeWorkplace(program);
    await using containerd = await startContainerd();
    const archive = join(place.dir, "image.tar");
    const layers = [makeTar(busyboxEntries()), first, second];
    writeBusyboxImage(archive, { format: "oci", name: "docker.io/library/layers:test", extraLayers: [first, second] });
    await containerd.ctr("images", "import", archive);
    const chain = layers.map(sha).reduce((below, diffId) => sha(`${below} ${diffId}`));
    const view = await viewOf(containerd, chain);
    const expected = tarOf([view]);

    const lower: string[] = [];
    for (const [position, layer] of layers.entries()) {
      const directory = join(place.dir, `layer-${position}`);
      const work = join(place.dir, `work-${position}`);
      for (const path of [directory, work]) mkdirSync(path);
      const overlay = [`lowerdir=${[...lower].reverse().join(":")}`, `upperdir=${directory}`, `workdir=${work}`];
      const mounts: Mount[] =
        position === 0
          ? [{ type: "bind", source: directory, target: "", options: ["rw", "rbind"] }]
          : [{ type: "overlay", source: "overlay", target: "", options: overlay }];
      const { status, answer } = place.apply(layer, mounts);
      assert.equal(status, 0, JSON.stringify(answer));
      assert.equal(answer.digest, sha(layer));
      lower.push(directory);
    }
    const actual = tarOf([
      { type: "overlay", source: "overlay", target: "", options: ["ro", `lowerdir=${[...lower].reverse().join(":")}`] },
    ]);
    assert.deepEqual(withoutImplied(listTar(actual)), withoutImplied(listTar(expected)));
    assert.equal(contentOf(actual), contentOf(expected), "the same extended attributes and contents");
  });

  it("make the same of one layer as GNU tar does", async () => {
    const program = await buildUnpack();
    using place = makeWorkplace(program);
    assert.equal(place.apply(first).status, 0);
    const other = mkdtempSync(join(place.dir, "gnu-"));
    writeFileSync(join(place.dir, "first.tar"), first);
    const flags = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p", "--same-owner"];
    execFileSync("tar", [...flags, "-xf", join(place.dir, "first.tar"), "-C", other]);
    // GNU tar gives implied directories the user's own group, containerd that of a setgid directory above.
    const described = (mounts: readonly Mount[]): string[] =>
      listTar(tarOf(mounts)).filter((line) => !/^d.*\/(long\/)+$/.test(line));
    assert.deepEqual(described(place.bind), described([{ ...bindMount(other), options: ["bind"] }]));
  });
});

/** Directories that no member describes have the time of the unpack. */
const withoutImplied = (lines: readonly string[]): string[] =>
  lines.map((line) => (/^d.*\/(long\/)+$/.test(line) ? line.replace(/ [0-9-]{10} [0-9:.]+ +/, " ") : line));

/** A digest of the tar with the times of those directories left out. */
function contentOf(tar: Buffer): string {
  const hash = createHash("sha256");
  for (const [{ mtime, xattrs, ...member }, body] of tarMembers(tar)) {
    const implied = /^(\.\/d\/)(long\/)+$/.test(member.name);
    hash.update(JSON.stringify([member, implied ? null : mtime, [...xattrs].sort()])).update(body);
  }
  return hash.digest("hex");
}

async function viewOf(containerd: { ctr(...args: string[]): Promise<string> }, chain: string): Promise<Mount> {
  await containerd.ctr("snapshots", "prepare", "look", chain);
  const line = await containerd.ctr("snapshots", "mounts", "/target", "look");
  const match = /mount -t (\S+) (\S+) \/target -o (\S+)/.exec(line);
  assert.ok(match, line);
  return { type: match[1] ?? "", source: match[2] ?? "", target: "", options: (match[3] ?? "").split(",") };
}
