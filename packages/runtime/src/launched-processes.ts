// Every launch of a shim carries an id in its environment, which whatever it forks inherits. So the
// processes of a launch whose reply nobody read can be found, and no others.
import { readdir, readFile } from "node:fs/promises";
import { type Helper, identify, type ProcessIdentity, tellsEnd } from "@berth/helper";

export const LAUNCH_VARIABLE = "BERTH_LAUNCH";
const AT_ONCE = 32;

/** In the environment of berth-launch: whose it is, by state directory, and which process started it. */
const LAUNCHER_VARIABLE = "BERTH_LAUNCHER";
const OWNER_VARIABLE = "BERTH_LAUNCHER_OWNER";

const owner = (): string => {
  const self = identify(process.pid);
  return `${process.pid}/${self?.startTime ?? ""}`;
};

/** The environment that a launcher is started with. */
export const helperEnvironment = (state: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  [LAUNCHER_VARIABLE]: state,
  [OWNER_VARIABLE]: owner(),
});

/** The processes whose environment names this launch. */
const processesOfLaunch = (launchId: string): Promise<ProcessIdentity[]> =>
  processesWith([`${LAUNCH_VARIABLE}=${launchId}`], null);

async function processesWith(entries: readonly string[], without: string | null): Promise<ProcessIdentity[]> {
  const wanted = entries.map((entry) => Buffer.from(entry, "latin1"));
  const unwanted = without === null ? null : Buffer.from(without, "latin1");
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found: ProcessIdentity[] = [];
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    await Promise.all(
      pids.slice(at, at + AT_ONCE).map(async (pid) => {
        // Of a kernel thread it is empty.
        const environment = await readFile(`/proc/${pid}/environ`).catch(noneOf);
        if (!wanted.every((entry) => holds(environment, entry))) return;
        if (unwanted !== null && holds(environment, unwanted)) return;
        const identity = identify(pid);
        if (identity !== null && pid !== process.pid) found.push(identity);
      }),
    );
  }
  return found;
}

/**
 * Kills what a launch has left, again and again until a look finds nothing: they may fork meanwhile. The launcher of a
 * supervisor that was killed goes first, for it may have been asked and not have launched yet.
 */
export async function killLaunch(helper: Helper, launchId: string, state: string): Promise<number> {
  const mine = `${OWNER_VARIABLE}=${owner()}`;
  await killAll(helper, () => processesWith([`${LAUNCHER_VARIABLE}=${state}`], mine));
  return await killAll(helper, () => processesOfLaunch(launchId));
}

async function killAll(helper: Helper, look: () => Promise<ProcessIdentity[]>): Promise<number> {
  let killed = 0;
  // Bounded, because a process in an uninterruptible sleep cannot be waited for.
  for (let round = 0; round < 20; round++) {
    const alive = await look();
    if (alive.length === 0) break;
    for (const one of alive) if (await helper.signal(one, 9)) killed++;
  }
  return killed;
}

/** Of a process that has ended, or that is not ours to look into. */
function noneOf(error: NodeJS.ErrnoException): Buffer {
  if (tellsEnd(error) || error.code === "EACCES" || error.code === "EPERM") return Buffer.alloc(0);
  throw error;
}

function holds(environment: Buffer, entry: Buffer): boolean {
  const at = environment.indexOf(entry);
  if (at < 0) return false;
  const startsEntry = at === 0 || environment[at - 1] === 0;
  const end = at + entry.length;
  return startsEntry && (end === environment.length || environment[end] === 0);
}
