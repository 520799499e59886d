// containerd's sandbox API for shims: this shim as the keeper of a pod, for daemons whose sandboxer it is.
import { alreadyExists, BerthError, checkId, failedPrecondition, invalidArgument, notFound } from "@berth/base";
import { now } from "@berth/host";
import { Sandbox as SandboxV1 } from "@berth/proto/containerd/runtime/sandbox/v1";
import { type Registration, register, type ServiceImpl } from "@berth/rpc";
import { untilAborted } from "../abort.ts";
import { slicePath } from "../cgroup/slice-path.ts";
import { machine } from "../runtime/machine.ts";
import type { Keeper } from "../state/keeper.ts";
import { noTime, timestampOf } from "../timestamp.ts";
import { createSandbox, type Sandbox, sandboxOf, startSandbox, stopSandbox } from "./sandbox.ts";
import { cgroupAt } from "./sandbox-cgroup.ts";
import { parseSandboxConfig, type SandboxConfig } from "./sandbox-config.ts";

export const registerSandbox = (keeper: Keeper, end: () => void): Registration =>
  register(SandboxV1, sandboxService(keeper, end));

/** `end` ends the shim; it returns before anything happens. */
function sandboxService(keeper: Keeper, end: () => void): ServiceImpl<typeof SandboxV1> {
  return {
    createSandbox({ sandboxId, bundlePath, netnsPath, options }) {
      checkId("sandbox", sandboxId);
      if (!bundlePath.startsWith("/"))
        throw invalidArgument(
          `sandbox ${JSON.stringify(sandboxId)}: bundle ${JSON.stringify(bundlePath)} is no absolute path`,
        );
      if (keeper.closing)
        throw new BerthError("unavailable", `sandbox ${JSON.stringify(sandboxId)}: this shim is shutting down`);
      const { sandbox } = keeper;
      if (sandbox?.id === sandboxId) throw alreadyExists("sandbox", sandboxId);
      if (sandbox !== null)
        throw failedPrecondition(
          `sandbox ${JSON.stringify(sandboxId)}: this shim keeps sandbox ${JSON.stringify(sandbox.id)} already`,
        );
      const config = configOf(sandboxId, options);
      keeper.sandbox = createSandbox({ id: sandboxId, bundle: bundlePath, network: netnsPath, config });
      return {};
    },

    async startSandbox({ sandboxId }) {
      const { holder, startedAt } = await startSandbox(sandboxOf(keeper, sandboxId));
      return { pid: holder.pid, createdAt: timestampOf(startedAt) };
    },

    platform: () => ({ platform: { os: "linux", ...machine() } }),

    async stopSandbox({ sandboxId, timeoutSecs }) {
      await stopSandbox(keeper, sandboxOf(keeper, sandboxId), timeoutSecs);
      return {};
    },

    async waitSandbox({ sandboxId }, call) {
      const { status, stoppedAt } = await untilAborted(sandboxOf(keeper, sandboxId).ended, call.signal);
      return { exitStatus: status, exitedAt: timestampOf(stoppedAt) };
    },

    sandboxStatus({ sandboxId, verbose }) {
      const sandbox = sandboxOf(keeper, sandboxId);
      const { state, createdAt } = sandbox;
      return {
        sandboxId,
        pid: pidOf(sandbox),
        // The names of the CRI, which is who reads them.
        state: state.at === "ready" ? "SANDBOX_READY" : "SANDBOX_NOTREADY",
        info: verbose ? { phase: state.at, containers: [...keeper.containers.keys()].join(" ") } : {},
        createdAt: timestampOf(createdAt),
        exitedAt: state.at === "stopped" ? timestampOf(state.stoppedAt) : noTime,
      };
    },

    pingSandbox({ sandboxId }) {
      sandboxOf(keeper, sandboxId);
      return {};
    },

    async shutdownSandbox({ sandboxId }) {
      const sandbox = sandboxOf(keeper, sandboxId);
      await stopSandbox(keeper, sandbox, 0);
      keeper.sandbox = null;
      // Stopped containers are still to be deleted: the last one's Shutdown ends the shim.
      if (keeper.containers.size > 0 || keeper.creating.size > 0) return {};
      keeper.closing = true;
      end();
      return {};
    },

    async sandboxMetrics({ sandboxId }) {
      const { config } = sandboxOf(keeper, sandboxId);
      if (config.cgroupParent === "") throw notFound("cgroup of sandbox", sandboxId);
      const { statsOf } = await import("../cgroup/stats.ts");
      const data = statsOf(cgroupAt(slicePath(config.cgroupParent)));
      return { metrics: { id: sandboxId, timestamp: timestampOf(now()), data } };
    },
  };
}

function configOf(id: string, options: Parameters<typeof parseSandboxConfig>[0]): SandboxConfig {
  try {
    return parseSandboxConfig(options);
  } catch (error) {
    throw invalidArgument(`sandbox ${JSON.stringify(id)}: its options are damaged`, { cause: error });
  }
}

const pidOf = ({ state }: Sandbox): number =>
  state.at === "ready" ? state.holder.pid : state.at === "stopped" ? state.pid : 0;
