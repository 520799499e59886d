// A berthd on a throwaway root and socket. The supervisor is started again when its sources change; the small
// programs are built again when theirs do, and used from the next container on.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { join, resolve } from "node:path";
import { buildProgram } from "../packages/host/build.ts";
import { smallPrograms } from "./programs.ts";

const top = resolve(import.meta.dirname, "..");
const bin = join(top, "dist/bin");
const work = mkdtempSync("/run/berth-dev.");
const address = join(work, "berth.sock");
const shown = (path: string): string => path.replace(`${top}/`, "");

const shared = ["base", "proto", "rpc", "ttrpc", "host"];

async function build(names: readonly string[]): Promise<void> {
  for (const { name, folder, entry, moreC } of smallPrograms) {
    if (!names.includes(folder) && !names.some((changed) => shared.includes(changed))) continue;
    try {
      const started = performance.now();
      const path = await buildProgram({ entry, name, outDir: bin, variant: "release", moreC });
      console.log(`built ${shown(path)} in ${Math.round(performance.now() - started)} ms`);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  }
}

let supervisor: ChildProcess | null = null;
let ending = false;

function start(): void {
  const main = join(top, "packages/supervisor/src/main.ts");
  const flags = [
    "--config",
    "/dev/null",
    "--address",
    address,
    "--root",
    join(work, "root"),
    "--state",
    join(work, "state"),
  ];
  const child = spawn(process.execPath, [main, ...flags], {
    stdio: ["ignore", "inherit", "inherit"],
    // Ctrl-C at the terminal is ours alone: the supervisor is still needed to remove its containers.
    detached: true,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}`, BERTHD_PROGRAM: join(bin, "berthd") },
  });
  supervisor = child;
  child.on("exit", (code) => {
    if (supervisor !== child) return;
    supervisor = null;
    if (!ending) console.log(`berthd ended with ${code}; it is started again when a file changes`);
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}

async function restart(): Promise<void> {
  const before = supervisor;
  supervisor = null;
  if (before !== null) await ended(before);
  start();
}

const changed = new Set<string>();
let timer: NodeJS.Timeout | null = null;
let working: Promise<void> = Promise.resolve();

watch(join(top, "packages"), { recursive: true }, (_, file) => {
  const [folder = "", part = ""] = (file ?? "").split("/");
  if (part !== "src" && part !== "c") return;
  changed.add(folder);
  if (timer !== null) clearTimeout(timer);
  // An editor or git touches several files at once.
  timer = setTimeout(() => {
    const folders = [...changed];
    changed.clear();
    working = working.then(() => apply(folders));
  }, 200);
});

async function apply(folders: readonly string[]): Promise<void> {
  if (ending) return;
  await build(folders);
  const own = ["client", "shim", "unpack", "host"];
  if (folders.every((folder) => own.includes(folder))) return;
  console.log(`changed: ${folders.join(", ")}; berthd is started again, the containers go on`);
  await restart();
}

async function cleanUp(): Promise<void> {
  if (ending) return;
  ending = true;
  const berth = (...args: string[]) =>
    spawnSync(join(bin, "berth"), ["--address", address, ...args], { encoding: "utf8", timeout: 30_000 });
  if (supervisor !== null) {
    const { stdout } = berth("ps", "--all", "--all-namespaces", "--json");
    for (const line of (stdout ?? "").split("\n").filter(Boolean)) {
      const { id, namespace } = JSON.parse(line) as { id: string; namespace: string };
      berth("--namespace", namespace, "rm", "--force", id);
    }
    await ended(supervisor);
  }
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${work}/`));
  for (const path of mounts.reverse()) spawnSync("umount", ["--lazy", path]);
  rmSync(work, { recursive: true, force: true });
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void cleanUp());

await build(smallPrograms.map(({ folder }) => folder));
start();
console.log(`
A berthd on a throwaway root. In another terminal:

  export BERTH_ADDRESS=${address} CONTAINERD_ADDRESS=${address} PATH=${bin}:$PATH

Ctrl-C ends it and removes ${work}.
`);
