import { randomUUID } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { notFound, parseFilters } from "@berth/base";
import type { Init } from "@berth/proto";
import type { Introspection, Plugin } from "@berth/proto/containerd/services/introspection/v1";
import type { ServiceImpl } from "@berth/rpc";

/** The id of this installation, made once and kept in the file. */
export async function persistentUuid(path: string): Promise<string> {
  const kept = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (/^[0-9a-f-]{36}$/.test(kept.trim())) return kept.trim();
  const uuid = randomUUID();
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  await writeFile(path, uuid, { flush: true, mode: 0o644 });
  return uuid;
}

export function introspectionService({
  uuid,
  rows,
}: {
  uuid: string;
  rows: readonly Init<Plugin>[];
}): ServiceImpl<typeof Introspection> {
  return {
    plugins(req) {
      const wanted = parseFilters(req.filters);
      return { plugins: rows.filter((row) => wanted(fieldOf(row))) };
    },
    async server() {
      const { ino } = await stat("/proc/self/ns/pid", { bigint: true });
      return { uuid, pid: BigInt(process.pid), pidns: ino };
    },
    pluginInfo(req) {
      const plugin = rows.find((row) => row.type === req.type && row.id === req.id);
      if (plugin === undefined) throw notFound("plugin", `${req.type}.${req.id}`);
      return { plugin };
    },
  };
}

const fieldOf =
  (row: Init<Plugin>) =>
  (path: readonly string[]): string | null => {
    if (path[0] === "type") return row.type ?? "";
    if (path[0] === "id") return row.id ?? "";
    // Platforms and capabilities are lists, which containerd's filters do not compare either.
    return null;
  };
