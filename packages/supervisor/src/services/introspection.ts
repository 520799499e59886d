import { randomUUID } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { notFound, parseFilters, unimplemented } from "@berth/base";
import { type Init, isType, packAny } from "@berth/proto";
import type { Introspection, Plugin } from "@berth/proto/containerd/services/introspection/v1";
import { RuntimeInfo, RuntimeRequest } from "@berth/proto/containerd/types";
import type { Any } from "@berth/proto/google/protobuf";
import type { ServiceImpl } from "@berth/rpc";
import type { Runtime } from "@berth/runtime";

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
  runtime,
}: {
  uuid: string;
  rows: readonly Init<Plugin>[];
  runtime: Pick<Runtime, "info">;
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
    async pluginInfo(req) {
      const plugin = rows.find((row) => row.type === req.type && row.id === req.id);
      if (plugin === undefined) throw notFound("plugin", `${req.type}.${req.id}`);
      const isRuntime = plugin.type === "io.containerd.runtime.v2" && req.options !== null;
      return isRuntime ? { plugin, extra: await infoOf(runtime, req.options as Any) } : { plugin };
    },
  };
}

/** What a runtime says of itself. */
async function infoOf(runtime: Pick<Runtime, "info">, options: Any): Promise<Any> {
  if (!isType(options, RuntimeRequest))
    throw unimplemented(`unknown request type ${JSON.stringify(options.typeUrl)}: the runtime takes a RuntimeRequest`);
  const request = RuntimeRequest.decode(options.value);
  return packAny(RuntimeInfo, await runtime.info(request.runtimePath, request.options));
}

const fieldOf =
  (row: Init<Plugin>) =>
  (path: readonly string[]): string | null => {
    if (path[0] === "type") return row.type ?? "";
    if (path[0] === "id") return row.id ?? "";
    // Platforms and capabilities are lists, which containerd's filters do not compare either.
    return null;
  };
