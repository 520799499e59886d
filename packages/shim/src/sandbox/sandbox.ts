// A pod that this shim keeps for a daemon whose sandboxer it is: it lives from CreateSandbox to ShutdownSandbox, with
// or without containers.
import { BerthError, messageOf, notFound } from "@berth/base";
import { type Child, now, writeFileAtomic } from "@berth/host";
import type { Keeper } from "../state/keeper.ts";
import { isAlive } from "../state/process.ts";
import type { SandboxConfig } from "./sandbox-config.ts";
import { startHolder } from "./sandbox-holder.ts";

const SIGKILL = 9;
/** What a daemon that names no time gives a pod's containers to end. */
const DEFAULT_STOP_MS = 10_000;

export type SandboxState =
  | { readonly at: "created" | "starting" }
  | { readonly at: "ready"; readonly holder: Child; readonly startedAt: number }
  | { readonly at: "stopped"; readonly pid: number; readonly status: number; readonly stoppedAt: number };

export interface Sandbox {
  readonly id: string;
  readonly bundle: string;
  readonly network: string;
  readonly config: SandboxConfig;
  readonly createdAt: number;
  state: SandboxState;
  /** It was asked to end: then it ends well. */
  asked: boolean;
  readonly ended: Promise<Extract<SandboxState, { at: "stopped" }>>;
  readonly end: (state: Extract<SandboxState, { at: "stopped" }>) => void;
}

export function createSandbox(of: Pick<Sandbox, "id" | "bundle" | "network" | "config">): Sandbox {
  let end: Sandbox["end"] = () => {};
  const ended: Sandbox["ended"] = new Promise((resolve) => {
    end = resolve;
  });
  return { ...of, createdAt: now(), state: { at: "created" }, asked: false, ended, end };
}

/** Throws not-found for any other than the one that this shim keeps. */
export function sandboxOf({ sandbox }: Keeper, id: string): Sandbox {
  if (sandbox === null || sandbox.id !== id) throw notFound("sandbox", id);
  return sandbox;
}

/** Makes its namespaces. The pod ends when the process that keeps them ends, however that comes about. */
export async function startSandbox(sandbox: Sandbox): Promise<Extract<SandboxState, { at: "ready" }>> {
  if (sandbox.state.at !== "created")
    throw new BerthError(
      "failed-precondition",
      `sandbox ${JSON.stringify(sandbox.id)} is ${sandbox.state.at}: it can be started once`,
    );
  sandbox.state = { at: "starting" };
  try {
    const holder = await startHolder(sandbox.config, sandbox.network);
    if (sandbox.state.at !== "starting") {
      holder.kill(SIGKILL);
      throw new BerthError("aborted", `sandbox ${JSON.stringify(sandbox.id)} was stopped while it started`);
    }
    const ready = { at: "ready", holder, startedAt: now() } as const;
    sandbox.state = ready;
    void holder.exited.then(({ status, at }) => stopped(sandbox, holder.pid, sandbox.asked ? 0 : status, at));
    // For a `delete` that finds no server.
    writeFileAtomic(`${sandbox.bundle}/init.pid`, String(holder.pid));
    return ready;
  } catch (error) {
    if (sandbox.state.at === "starting") sandbox.state = { at: "created" };
    throw error;
  }
}

function stopped(sandbox: Sandbox, pid: number, status: number, stoppedAt: number): void {
  if (sandbox.state.at === "stopped") return;
  const state = { at: "stopped", pid, status, stoppedAt } as const;
  sandbox.state = state;
  sandbox.end(state);
}

/** Ends what runs in it, then itself. A sandbox that has stopped is fine. Throws deadline-exceeded where something stays. */
export async function stopSandbox(keeper: Keeper, sandbox: Sandbox, seconds: number): Promise<void> {
  const alive = [...keeper.containers.values()].filter(({ init }) => isAlive(init) || init.state.at === "created");
  const ends = alive.map(async (container) => {
    const { init, runc, id } = container;
    if (init.state.pid === 0) return; // waits for a restore: nothing runs
    try {
      await (await runc()).kill(SIGKILL, true);
    } catch (error) {
      keeper.log.debug("a container of the sandbox could not be killed", { container: id, err: messageOf(error) });
    }
    await init.ended;
  });
  const { state } = sandbox;
  if (!(await within(seconds === 0 ? DEFAULT_STOP_MS : seconds * 1000, Promise.all(ends))))
    throw new BerthError(
      "deadline-exceeded",
      `containers of sandbox ${JSON.stringify(sandbox.id)} did not end in time`,
    );
  sandbox.asked = true;
  if (state.at !== "ready") {
    stopped(sandbox, 0, 0, now());
    return;
  }
  state.holder.kill(SIGKILL);
  await sandbox.ended;
}

async function within(ms: number, event: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
