// The real runtime, with real shims and a real OCI runtime, keeps the contract that its fake is tested with.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { typeUrls } from "@berth/proto";
import { runtimeContract, type Subject } from "../../packages/runtime/test/contract.ts";
import { taskOptions } from "../../packages/runtime/test/task-options.ts";
import { openHost } from "./harness.ts";

/** Ends with the status that it reads. */
const args = ["/bin/sh", "-c", "read status; exit $status"];

async function open(shim: string): Promise<Subject> {
  const host = await openHost({ shim });
  const fifos = new Map<string, number>();
  const fifo = (name: string): string => {
    const path = join(host.directory, name);
    if (fifos.has(name)) return path;
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    fifos.set(name, openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    return path;
  };
  // With an input alone, containerd's shim hangs in Create.
  const stdio = (name: string) => ({
    stdin: fifo(`${name}-in`),
    stdout: fifo(`${name}-out`),
    stderr: fifo(`${name}-err`),
  });
  return {
    runtime: host.runtime,
    namespace: host.namespace,
    container(id) {
      host.container(id, args);
      return {
        ...taskOptions(id),
        rootfs: [{ type: "bind", source: join(host.directory, "rootfs"), target: "", options: ["rbind", "ro"] }],
        ...stdio(id),
      };
    },
    exec(id, execId) {
      const process = { user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin"], cwd: "/" };
      return {
        execId,
        terminal: false,
        ...stdio(`${id}-${execId}`),
        spec: { typeUrl: typeUrls.process, value: Buffer.from(JSON.stringify(process)) },
        client: null,
      };
    },
    end: (id, execId, status) =>
      void writeSync(fifos.get(`${execId === "" ? id : `${id}-${execId}`}-in`) as number, `${status}\n`),
    async [Symbol.asyncDispose]() {
      for (const fd of fifos.values()) closeSync(fd);
      await host[Symbol.asyncDispose]();
    },
  };
}

const own = resolve(import.meta.dirname, "../../dist/bin/containerd-shim-berth-v2");
const go = "/usr/bin/containerd-shim-runc-v2";
const cannot = process.getuid?.() === 0 ? false : "needs root";
for (const [name, path] of [
  ["the real one with containerd's own shim", go],
  ["the real one with the berth shim", own],
] as const)
  runtimeContract(name, () => open(path), cannot || (existsSync(path) ? false : `${path} is not there`));
