// The same two daemons with crun in place of runc. crun 1.8 refuses a machine whose version 2 hierarchy of cgroups is
// mounted beside those of version 1, so both run where it is not: in a mount namespace of their own.
import { existsSync } from "node:fs";
import { startBerthd } from "../../test/support/berthd.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { interleave } from "./statistics.ts";

const hybrid = "/sys/fs/cgroup/unified";
const within = existsSync(hybrid)
  ? ["unshare", "-m", "--propagation", "slave", "sh", "-c", `umount ${hybrid} && exec "$@"`, "sh"]
  : [];

export interface CrunNeeds {
  readonly client: string;
  readonly archive: string;
  readonly image: string;
  readonly rounds: number;
  readonly name: () => string;
  /** Runs a command to its end; milliseconds. */
  readonly time: (command: string, args: readonly string[]) => number;
}

/** Milliseconds of `run --rm` and `exec` on both. */
export async function measureWithCrun({ client, archive, image, rounds, name, time }: CrunNeeds) {
  await using containerd = await startContainerd({ within });
  await using berthd = await startBerthd({ within });
  const ctr = (...args: string[]) => time("ctr", ["-a", containerd.address, ...args]);
  const berth = (...args: string[]) => time(client, ["-a", berthd.address, ...args]);
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
