// What it takes to have a daemon, on a root that it knows: from its launch to its first answer over gRPC.
import { spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectGrpc } from "@berth/grpc";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { berthdPath } from "../../test/support/berthd.ts";
import type { Supervisor } from "../../test/support/supervisor.ts";
import { interruption } from "./interruption.ts";
import type { Pair } from "./pair.ts";
import { interleave } from "./statistics.ts";

const TIMEOUT_MS = 20_000;

/** Milliseconds. Both daemons are ended before, and started again after. */
export async function measureDaemonStarts(rounds: number, daemons: Pair<Supervisor>): Promise<Pair<number[]>> {
  for (const daemon of Object.values(daemons)) await daemon.end("SIGTERM");
  const times = await interleave(rounds, {
    ours: () => start(berthdPath, daemons.ours),
    theirs: () => start("/usr/bin/containerd", daemons.theirs),
  });
  for (const daemon of Object.values(daemons)) await daemon.restart();
  return times;
}

async function start(program: string, { address, dir }: Supervisor): Promise<number> {
  const begun = performance.now();
  const child = spawn(program, ["--config", join(dir, "config.toml")], { stdio: "ignore" });
  const ended = new Promise<void>((done) => child.once("exit", () => done()).once("error", () => done()));
  try {
    while (!(await takesConnections(address))) {
      if (child.exitCode !== null || performance.now() - begun > TIMEOUT_MS)
        throw new Error(`${program} does not serve`);
      await sleep(1, undefined, { signal: interruption });
    }
    using connection = connectGrpc(address);
    await connection.service(Version).version({}, { timeoutMs: TIMEOUT_MS });
    return performance.now() - begun;
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

const takesConnections = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(true);
    }).on("error", () => resolve(false));
  });
