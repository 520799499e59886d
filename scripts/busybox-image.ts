// A small image made from the machine's own static busybox: for the quickstart and for tests, without a network.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";

/** A member of a tar. `content` is for files, `link` is the target of symlinks and hard links. */
export interface TarEntry {
  readonly path: string;
  readonly type?: "file" | "directory" | "symlink" | "hardlink" | "fifo" | "char" | "block";
  readonly content?: string | Uint8Array;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the epoch. */
  readonly mtime?: number;
  readonly device?: readonly [major: number, minor: number];
}

/** The `config` object of an OCI image configuration, as far as tests need it. */
export interface BusyboxConfig {
  User?: string;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  Volumes?: Record<string, object>;
  ExposedPorts?: Record<string, object>;
}

export interface BusyboxOptions {
  readonly format: "oci" | "docker";
  /** Full reference, such as `docker.io/library/busybox:test`; empty leaves the image unnamed. */
  readonly name: string;
  /** Merged over the default: PATH, and `sh` as Cmd. */
  readonly config?: BusyboxConfig;
  /** On top of the busybox layer: members, or the bytes of a whole tar. */
  readonly extraLayers?: readonly (readonly TarEntry[] | Uint8Array)[];
  /** Of the layers; default gzip. Docker archives are never compressed. */
  readonly compression?: "none" | "gzip" | "zstd";
}

export interface BusyboxImage {
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly diffIds: readonly string[];
}

const EPOCH = 1_700_000_000;
const typeFlags = { file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6" };

const bytes = (data: string | Uint8Array): Uint8Array =>
  typeof data === "string" ? new TextEncoder().encode(data) : data;
const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
const json = (value: unknown): Uint8Array => bytes(JSON.stringify(value));

/** The tar (ustar) of these members, in this order; the same members give the same bytes. */
export function makeTar(entries: readonly TarEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const type = entry.type ?? "file";
    const content = bytes(type === "file" ? (entry.content ?? "") : "");
    const header = new Uint8Array(512);
    const text = (at: number, length: number, value: string): void => {
      const encoded = bytes(value);
      if (encoded.length > length) throw new Error(`${JSON.stringify(value)} does not fit a tar header`);
      header.set(encoded, at);
    };
    const octal = (at: number, length: number, value: number): void =>
      text(at, length, `${value.toString(8).padStart(length - 1, "0")}\0`);
    const path = type === "directory" && !entry.path.endsWith("/") ? `${entry.path}/` : entry.path;
    const cut = bytes(path).length > 100 ? path.lastIndexOf("/", 154) : -1;
    text(0, 100, path.slice(cut + 1));
    if (cut > 0) text(345, 155, path.slice(0, cut));
    octal(100, 8, entry.mode ?? (type === "directory" ? 0o755 : type === "symlink" ? 0o777 : 0o644));
    octal(108, 8, entry.uid ?? 0);
    octal(116, 8, entry.gid ?? 0);
    octal(124, 12, content.length);
    octal(136, 12, entry.mtime ?? EPOCH);
    text(148, 8, "        ");
    text(156, 1, typeFlags[type]);
    text(157, 100, entry.link ?? "");
    text(257, 8, "ustar\u000000");
    octal(329, 8, entry.device?.[0] ?? 0);
    octal(337, 8, entry.device?.[1] ?? 0);
    text(
      148,
      8,
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
    );
    parts.push(header, content, new Uint8Array((512 - (content.length % 512)) % 512));
  }
  parts.push(new Uint8Array(1024));
  return Buffer.concat(parts);
}

/** Members of a root filesystem around one static busybox. */
export function busyboxEntries(busybox = "/usr/bin/busybox"): TarEntry[] {
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
  const directories = ["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var"];
  return [
    ...directories.map((path): TarEntry => {
      const mode = path === "tmp" ? 0o1777 : path === "root" ? 0o700 : 0o755;
      return { path, type: "directory", mode };
    }),
    { path: "bin/busybox", content: readFileSync(busybox), mode: 0o755 },
    ...applets
      .filter((applet) => applet !== "" && applet !== "busybox")
      .sort()
      .map((applet): TarEntry => ({ path: `bin/${applet}`, type: "symlink", link: "busybox" })),
    { path: "usr/bin/env", type: "symlink", link: "../../bin/busybox" },
    {
      path: "etc/passwd",
      content:
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nuser:x:1000:1000:user:/home:/bin/sh\n",
    },
    { path: "etc/group", content: "root:x:0:\ndaemon:x:1:\nstaff:x:50:user\nuser:x:1000:\n" },
    { path: "etc/hostname", content: "busybox\n" },
  ];
}

/** Writes the image's archive to `path`; the same busybox and options give the same bytes. */
export function writeBusyboxImage(path: string, options: BusyboxOptions): BusyboxImage {
  const tars = [
    makeTar(busyboxEntries()),
    ...(options.extraLayers ?? []).map((layer) => (layer instanceof Uint8Array ? layer : makeTar(layer))),
  ];
  const diffIds = tars.map((tar) => `sha256:${sha256(tar)}`);
  const config = json({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: new Date(EPOCH * 1000).toISOString(),
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["sh"],
      ...options.config,
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map(() => ({ created: new Date(EPOCH * 1000).toISOString(), created_by: "busybox-image" })),
  });
  const configDigest = `sha256:${sha256(config)}`;
  if (options.format === "docker") {
    writeFileSync(path, makeTar(dockerMembers(options.name, config, tars)));
    return { manifestDigest: "", configDigest, diffIds };
  }

  const compression = options.compression ?? "gzip";
  const layers = tars.map((tar) =>
    compression === "gzip" ? gzipSync(tar, { level: 6 }) : compression === "zstd" ? zstdCompressSync(tar) : tar,
  );
  const suffix = compression === "none" ? "" : `+${compression}`;
  const descriptor = (mediaType: string, data: Uint8Array) => ({
    mediaType,
    digest: `sha256:${sha256(data)}`,
    size: data.length,
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor(`application/vnd.oci.image.layer.v1.tar${suffix}`, layer)),
  });
  const annotations =
    options.name === ""
      ? {}
      : {
          annotations: {
            "io.containerd.image.name": options.name,
            "org.opencontainers.image.ref.name": options.name.slice(options.name.lastIndexOf(":") + 1),
          },
        };
  const index = json({
    schemaVersion: 2,
    manifests: [{ ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest), ...annotations }],
  });
  const blobs = new Map([config, ...layers, manifest].map((data) => [sha256(data), data]));
  writeFileSync(
    path,
    makeTar([
      { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
      { path: "blobs", type: "directory" },
      { path: "blobs/sha256", type: "directory" },
      ...[...blobs].map(([hex, content]): TarEntry => ({ path: `blobs/sha256/${hex}`, content })),
      { path: "index.json", content: index },
    ]),
  );
  return { manifestDigest: `sha256:${sha256(manifest)}`, configDigest, diffIds };
}

/** What `docker save` (before 25) writes: a directory per layer, the config by its digest, manifest.json last. */
function dockerMembers(name: string, config: Uint8Array, tars: readonly Uint8Array[]): TarEntry[] {
  const ids = tars.map((tar, position) => sha256(bytes(`${position} ${sha256(tar)}`)));
  const configName = `${sha256(config)}.json`;
  return [
    ...tars.flatMap((tar, position): TarEntry[] => {
      const id = ids[position] ?? "";
      return [
        { path: id, type: "directory" },
        { path: `${id}/VERSION`, content: "1.0" },
        { path: `${id}/json`, content: JSON.stringify({ id, ...(position > 0 ? { parent: ids[position - 1] } : {}) }) },
        { path: `${id}/layer.tar`, content: tar },
      ];
    }),
    { path: configName, content: config },
    {
      path: "manifest.json",
      content: json([
        { Config: configName, RepoTags: name === "" ? null : [name], Layers: ids.map((id) => `${id}/layer.tar`) },
      ]),
    },
  ];
}
