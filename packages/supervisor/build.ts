// Builds berthd: its modules bundled, a Node of its own beside them, and a launcher.
import { spawnSync } from "node:child_process";
import { chmod, copyFile, link, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const top = resolve(here, "../..");

/**
 * Writes OUT/bin/berthd, a launcher, and what it runs to OUT/lib: `node`, and the modules in `berthd/`.
 * The two directories belong together and can be moved together. Returns the launcher's path.
 */
export async function buildSupervisor(outDir: string): Promise<string> {
  const bin = join(outDir, "bin");
  const lib = join(outDir, "lib");
  const modules = join(lib, "berthd");
  await mkdir(bin, { recursive: true });
  await rm(modules, { recursive: true, force: true });
  await mkdir(modules, { recursive: true });
  await build({
    entryPoints: [join(here, "src/main.ts")],
    outdir: modules,
    outExtension: { ".js": ".mjs" },
    chunkNames: "[name]-[hash]",
    bundle: true,
    // Commands such as config need none of what serving needs.
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node26",
    define: { BERTH_REVISION: JSON.stringify(revision()) },
    // Libraries that are CommonJS ask for Node's modules with require.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    legalComments: "linked",
    logLevel: "warning",
  });
  buildTrim(join(modules, "trim.node"));
  await placeNode(join(lib, "node"));
  await compileAhead(join(lib, "node"), modules);
  const launcher = join(bin, "berthd");
  await writeFile(launcher, launcherScript);
  await chmod(launcher, 0o755);
  return launcher;
}

/** The add-on that gives memory back. */
function buildTrim(target: string): void {
  const flags = ["-shared", "-fPIC", "-nostdlib", "-O2", "-s", "-Wall", "-Wextra", "-Werror"];
  const { status, stderr, error } = spawnSync("gcc", [...flags, "-o", target, join(here, "c/trim.c")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${target} cannot be built: ${error?.message ?? stderr}`);
}

/**
 * Leaves what V8 makes of the modules beside them, for server/compiled-code.ts: parsing a megabyte takes 50 ms of each
 * start. All of them, so that berthd has nothing to add where it is installed.
 */
async function compileAhead(node: string, modules: string): Promise<void> {
  const names = (await readdir(modules)).filter((name) => name.endsWith(".mjs") && name !== "main.mjs");
  const program = `
    import { enableCompileCache, flushCompileCache } from "node:module";
    const { message } = enableCompileCache({ directory: "compiled", portable: true });
    if (message !== undefined) throw new Error(message);
    for (const name of ${JSON.stringify(names)}) await import("./" + name);
    flushCompileCache();
    process.exit(0);`;
  const { status, stderr, error } = spawnSync(node, [...nodeFlags, "--input-type=module", "--eval", program], {
    cwd: modules,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`berthd's modules cannot be compiled: ${error?.message ?? stderr}`);
}

/** Hard-linked where it can be: Node is 150 MB. */
async function placeNode(target: string): Promise<void> {
  const source = join(top, "node_modules/node/bin/node");
  await rm(target, { force: true });
  await link(source, target).catch(() => copyFile(source, target));
}

function revision(): string {
  const git = spawnSync("git", ["rev-parse", "--short=12", "HEAD"], { cwd: top, encoding: "utf8" });
  return git.status === 0 ? git.stdout.trim() : "";
}

/** Compiled code is good for the flags that it was compiled with, so these are the same at the build and at a start. */
const nodeFlags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=1"];

// POSIX sh; the loop is `readlink -f` of the launcher itself, for links in /usr/local/bin.
// The heap is small and is to stay so: a supervisor holds little and waits much. It collects by itself when it is idle
// (server/reclaim.ts), and buffers of more than a few pages go back to the kernel when they are freed: left to itself,
// glibc raises the size from which they do (mallopt(3)) with the first large one.
const launcherScript = `#!/bin/sh
self=$(readlink -f "$0")
BERTHD_PROGRAM=$self
MALLOC_MMAP_THRESHOLD_=131072
export BERTHD_PROGRAM MALLOC_MMAP_THRESHOLD_
lib=\${self%/bin/*}/lib
exec "$lib/node" ${nodeFlags.join(" ")} "$lib/berthd/main.mjs" "$@"
`;
