// Runs test files, written for node:test, inside the host: as a library or `node packages/host/run-on-host.ts FILE…`.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { buildProgram, type Variant } from "./build.ts";

export interface HostRun {
  /** The tests' exit code: 0 when all passed. 128+signal when the program was killed. */
  readonly status: number;
  /** TAP lines, with what the program wrote to stderr after them. */
  readonly output: string;
  readonly passed: number;
  readonly failed: number;
}

/** A program that has not told of another test for so long hangs, and is killed. */
const QUIET_MS = 180_000;
const top = resolve(import.meta.dirname, "../..");

/**
 * Builds one program of the files, and of more C files than the host's, runs it and returns what it reported. Rejects
 * only when it cannot be built.
 */
export async function runOnHost(
  testFiles: readonly string[],
  variant: Variant = "debug",
  moreC: readonly string[] = [],
): Promise<HostRun> {
  const files = testFiles.map((file) => resolve(file));
  const name = `tests-${createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 8)}-${process.pid}`;
  const folder = join(top, "dist/host-tests", variant);
  await mkdir(folder, { recursive: true });
  const entry = join(folder, `${name}.ts`);
  await writeFile(entry, files.map((file) => `import ${JSON.stringify(file)};\n`).join(""));
  const runner = (module: string) => join(import.meta.dirname, "test-runner", `${module}.ts`);
  try {
    const program = await buildProgram({
      entry,
      name,
      outDir: folder,
      variant,
      alias: { "node:test": runner("test"), "node:assert/strict": runner("assert"), "node:assert": runner("assert") },
      keepWhole: files,
      moreC,
    });
    try {
      return await execute(program);
    } finally {
      await rm(program, { force: true });
    }
  } finally {
    await rm(entry, { force: true });
  }
}

function execute(program: string): Promise<HostRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ASAN_OPTIONS: "detect_leaks=1" },
    });
    let output = "";
    let errors = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), QUIET_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      timer.refresh();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
      const reported = /^# pass \d+$/m.test(output);
      const status = code ?? (signal === null ? 1 : 128);
      resolve({
        status: status === 0 && !reported ? 1 : status, // it ended before its tests did
        output: output + (errors === "" ? "" : `# stderr of ${basename(program)}:\n${errors}`),
        passed: count("pass"),
        failed: count("fail"),
      });
    });
  });
}

if (import.meta.main) {
  const files = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const variant = (process.argv.find((argument) => argument.startsWith("--variant="))?.slice(10) ?? "debug") as Variant;
  const result = await runOnHost(files, variant);
  process.stdout.write(result.output);
  process.exitCode = result.status;
}
