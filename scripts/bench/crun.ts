// crun in place of runc. crun 1.8 refuses a machine whose version 2 hierarchy of cgroups is mounted beside those of
// version 1, so the daemons run where it is not: in a mount namespace of their own.
import { existsSync } from "node:fs";
import { startBerthd } from "../../test/support/berthd.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { measureExecs } from "./execs.ts";
import { startLauncher } from "./launcher.ts";
import { runcStateInMemory, withMounts } from "./mounts.ts";
import { type Pair, startPair } from "./pair.ts";
import { makePlace, type Place } from "./place.ts";
import { interleave } from "./statistics.ts";

const hybrid = "/sys/fs/cgroup/unified";
const crunsMachine = existsSync(hybrid) ? [`umount ${hybrid}`] : [];
const within = withMounts(...crunsMachine);

export interface CrunDeps {
  readonly client: string;
  readonly archive: string;
  readonly image: string;
  readonly rounds: number;
  readonly place: Place;
  readonly name: () => string;
  /** Runs a command to its end; milliseconds. */
  readonly time: (command: string, args: readonly string[]) => number;
}

/** Milliseconds of `run --rm` and `exec` on the two daemons. */
export async function measureClientsWithCrun({ client, archive, image, rounds, place, name, time }: CrunDeps) {
  await using containerd = await startContainerd({
    within: withMounts(...crunsMachine, runcStateInMemory),
    stateInMemory: true,
  });
  await using berthd = await startBerthd({ within, stateInMemory: true });
  const ctr = (...args: string[]) => time("ctr", ["-a", containerd.address, "-n", place.name, ...args]);
  const berth = (...args: string[]) => time(client, ["-a", berthd.address, "-n", place.name, ...args]);
  ctr("images", "import", archive);
  berth("image", "import", archive);
  const target = name();
  ctr("run", "-d", "--runc-binary", "crun", image, `c${target}`, "sleep", "1000");
  berth("run", "-d", "--runtime-binary", "crun", "--name", target, image, "sleep", "1000");
  const exec = await interleave(rounds, {
    ours: async () => berth("exec", target, "true"),
    theirs: async () => ctr("tasks", "exec", "--exec-id", name(), `c${target}`, "true"),
  });
  ctr("tasks", "delete", "--force", `c${target}`);
  berth("rm", "-f", target);
  const run = await interleave(rounds, {
    ours: async () => berth("run", "--rm", "--runtime-binary", "crun", image, "true"),
    theirs: async () => ctr("run", "--rm", "--runc-binary", "crun", image, name(), "true"),
  });
  return { run, exec };
}

/** Of an exec through the two shims under one containerd, beside `crun exec` where that containerd is. */
export async function measureShimsWithCrun(options: {
  readonly shims: Pair<string>;
  readonly launcher: string;
  readonly rounds: number;
}) {
  const { shims, rounds } = options;
  await using place = makePlace();
  await using pair = await startPair({ shims, place, binary: "crun", within });
  await using launcher = startLauncher(options.launcher, ["nsenter", "-m", "-t", `${pair.pid}`, "--"]);
  const containers = { ours: `${place.name}-ours`, theirs: `${place.name}-theirs` };
  await pair.run("ours", containers.ours);
  await pair.run("theirs", containers.theirs);
  const execs = await measureExecs({ pair, launcher, containers, rounds });
  await pair.end(containers.ours);
  await pair.end(containers.theirs);
  return execs;
}
