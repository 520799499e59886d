import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { BerthError, canceled, type ErrorKind, internalError, messageOf } from "@berth/base";
import { type JsonObject, objectOf } from "./json.ts";

/** Kinds that berth-unpack may answer with; anything else is internal. */
const kinds = new Set<string>([
  "invalid-argument",
  "not-found",
  "permission-denied",
  "resource-exhausted",
  "failed-precondition",
  "unimplemented",
  "internal",
  "unknown",
  "data-loss",
] satisfies ErrorKind[]);

const MAX_ANSWER = 1 << 20;
const MAX_STDERR = 16 << 10;

export interface UnpackRun {
  readonly program: string;
  readonly command: "apply" | "diff" | "probe";
  readonly job: object;
  /** The child is killed when it is aborted. */
  readonly signal: AbortSignal;
  /** Takes the bytes of stdout, in order; the answer then comes on descriptor 3. */
  readonly onOutput: ((chunk: Uint8Array) => Promise<void>) | null;
}

/**
 * Runs berth-unpack to its end and returns its answer. Throws what it answers as an error, canceled when it was
 * aborted, and internal where it dies without an answer.
 */
export async function runUnpack({ program, command, job, signal, onOutput }: UnpackRun): Promise<JsonObject> {
  if (signal.aborted) throw canceled(`${command} of a layer was canceled`);
  const child = spawn(program, [command], {
    stdio: ["pipe", "pipe", "pipe", onOutput === null ? "ignore" : "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  const exited = once(child, "close") as Promise<[code: number | null, signalName: string | null]>;
  const failure = failureOf(child);
  try {
    const answers = onOutput === null ? child.stdout : child.stdio[3];
    const [, answer, errors, [code, signalName]] = await Promise.race([
      failure,
      Promise.all([
        onOutput === null ? null : forward(child.stdout, onOutput),
        collect(answers, MAX_ANSWER),
        collect(child.stderr, MAX_STDERR),
        exited,
        send(child, job),
      ]),
    ]);
    return answerOf(answer, errors, code, signalName);
  } catch (error) {
    child.kill("SIGKILL");
    if (child.pid !== undefined) await exited.catch(() => null);
    if (signal.aborted) throw canceled(`${command} of a layer was canceled`, { cause: error });
    if (error instanceof BerthError) throw error;
    throw internalError(`${program} cannot be run: ${messageOf(error)}`, { cause: error });
  }
}

/** Rejects with the child's "error" (it cannot be started, or was aborted); never resolves. */
function failureOf(child: ChildProcess): Promise<never> {
  return new Promise((_resolve, reject) => child.once("error", reject));
}

/** A child that is gone before it has read its job says why by its answer: EPIPE is not the reason. */
function send(child: ChildProcess, job: object): Promise<void> {
  return new Promise((resolve) => {
    child.stdin?.on("error", () => resolve());
    child.stdin?.end(JSON.stringify(job), () => resolve());
  });
}

async function forward(source: AsyncIterable<Uint8Array> | null, target: (chunk: Uint8Array) => Promise<void>) {
  for await (const chunk of source ?? []) await target(chunk);
}

/** At most `limit` bytes; the rest is read and dropped, so that the child is not blocked. */
async function collect(source: unknown, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source as AsyncIterable<Uint8Array>) {
    if (size < limit) parts.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  }
  return Buffer.concat(parts);
}

function answerOf(answer: Uint8Array, errors: Uint8Array, code: number | null, signalName: string | null): JsonObject {
  const said = Buffer.from(errors).toString("utf8").trim();
  if (answer.length === 0)
    throw internalError(
      `berth-unpack ended with ${signalName ?? `status ${code}`} and without an answer${said === "" ? "" : `: ${said}`}`,
    );
  // One line of a program of ours: short.
  const result = objectOf(JSON.parse(Buffer.from(answer).toString()), "the answer of berth-unpack");
  if (code === 0) return result;
  const { kind, message } = result;
  throw new BerthError(
    typeof kind === "string" && kinds.has(kind) ? (kind as ErrorKind) : "internal",
    typeof message === "string" ? message : `berth-unpack ended with status ${code}`,
  );
}
