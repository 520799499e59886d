// berth-unpack: a job on stdin, one line of JSON as the answer. An error is a line {kind, message} and exit code 1.
import { BerthError, internalError, invalidArgument, messageOf } from "@berth/base";
import { argv, exit, Fd, isCode, print, read, setName, stdin, stdout } from "@berth/host";
import { apply } from "./apply.ts";
import { diff } from "./diff.ts";
import { parseApplyJob, parseDiffJob, parseProbeJob } from "./job.ts";
import { probe } from "./probe.ts";
import { dieWithParent, HashedStream } from "./tree.ts";

/** Mounts of hundreds of layers fit; nobody sends more. */
const MAX_JOB = 4 << 20;

function readJob(): string {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const part = read(stdin, 64 * 1024);
    if (part === null || part.length === 0) break;
    size += part.length;
    if (size > MAX_JOB) throw invalidArgument(`the job on stdin is longer than ${MAX_JOB} bytes`);
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(whole);
}

function main(): void {
  setName("berth-unpack");
  // Before the job is read: a supervisor that is gone by now has left half a job at most. One that comes back
  // collects what was being extracted, and nobody may write to it then.
  dieWithParent();
  const [, command = ""] = argv;
  if (command === "apply") {
    print(`${JSON.stringify(apply(parseApplyJob(readJob())))}\n`);
  } else if (command === "diff") {
    // The tar goes to stdout and the answer to descriptor 3.
    const result = diff(parseDiffJob(readJob()), stdout);
    // Not before: a failure is told there too.
    using answer = new Fd(3, "descriptor 3");
    using stream = new HashedStream(answer);
    stream.write(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
  } else if (command === "probe") {
    probe(parseProbeJob(readJob()));
    print("{}\n");
  } else {
    throw invalidArgument(`command ${JSON.stringify(command)} is unknown: use apply, diff or probe`);
  }
}

function report(error: unknown): void {
  const known =
    error instanceof BerthError
      ? error
      : isCode(error, "ENOSPC", "EDQUOT")
        ? new BerthError("resource-exhausted", messageOf(error))
        : internalError(messageOf(error));
  const line = `${JSON.stringify({ kind: known.kind, message: known.message })}\n`;
  // stdout carries the tar of a diff, so that its errors go where its answer goes.
  if (argv[1] === "diff") {
    using answer = new Fd(3, "descriptor 3");
    using stream = new HashedStream(answer);
    stream.write(new TextEncoder().encode(line));
  } else {
    print(line);
  }
}

try {
  main();
} catch (error) {
  report(error);
  exit(1);
}
exit(0);
