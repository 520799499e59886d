// Programs of the operator's that decide whether an image may be pulled, as containerd's plug-in
// io.containerd.image-verifier.v1.bindir runs them (https://github.com/containerd/containerd/blob/main/docs/image-verification.md).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type Descriptor, failedPrecondition, messageOf, permissionDenied } from "@berth/base";

export interface VerifierSettings {
  /** Directory of the programs; where it is not there, everything may be pulled. */
  readonly binDir: string;
  /** So many of them, by name, are run; -1 for all. */
  readonly maxVerifiers: number;
  /** Milliseconds that each of them has. */
  readonly timeoutMs: number;
}

/** Of what a program says. */
const LARGEST_REASON = 16 << 10;
const DESCRIPTOR_TYPE = "application/vnd.oci.descriptor.v1+json";

/**
 * Throws permission-denied with the reason of the first that refuses, and failed-precondition where one cannot be run or
 * does not end: what cannot be verified is not pulled.
 */
export async function verifyImage(
  { binDir, maxVerifiers, timeoutMs }: VerifierSettings,
  name: string,
  { mediaType, digest, size }: Descriptor,
  signal: AbortSignal,
): Promise<void> {
  const input = JSON.stringify({ mediaType, digest, size });
  const args = ["-name", name, "-digest", digest, "-stdin-media-type", DESCRIPTOR_TYPE];
  const programs = await programsIn(binDir);
  for (const program of maxVerifiers < 0 ? programs : programs.slice(0, maxVerifiers)) {
    signal.throwIfAborted();
    const { status, reason } = await run(join(binDir, program), args, input, timeoutMs);
    if (status === 0) continue;
    throw permissionDenied(
      `image ${name} (${digest}) may not be pulled: ${program} in ${binDir} refuses it${reason === "" ? "" : `: ${reason}`}`,
    );
  }
}

async function programsIn(binDir: string): Promise<string[]> {
  try {
    const entries = await readdir(binDir, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw failedPrecondition(`image verifiers cannot be looked for: ${messageOf(error)}`, { cause: error });
  }
}

async function run(
  program: string,
  args: readonly string[],
  input: string,
  timeoutMs: number,
): Promise<{ status: number; reason: string }> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const failed = once(child, "error").then(([error]) => {
    throw failedPrecondition(`image verifier ${program} cannot be run: ${messageOf(error)}`, { cause: error });
  });
  failed.catch(() => {}); // raced below
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(failedPrecondition(`image verifier ${program} has not ended within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  try {
    child.stdin.on("error", () => {}); // it need not read
    child.stdin.end(input);
    const closed = once(child, "close") as Promise<[status: number | null, signalName: string | null]>;
    const [reason, [status, signalName]] = await Promise.race([
      failed,
      late.promise,
      Promise.all([said(child.stdout), closed]),
    ]);
    if (status === null) throw failedPrecondition(`image verifier ${program} was ended by ${signalName}`);
    return { status, reason };
  } finally {
    clearTimeout(timer);
    endGroup(child.pid);
    child.stdout.destroy();
  }
}

/** The program, where it has not ended, with what it has started. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** One line for a person; what is over the limit is read and dropped. */
async function said(stdout: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stdout.setEncoding("utf8") as AsyncIterable<string>)
    if (text.length < LARGEST_REASON) text += chunk;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would obey
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
}
