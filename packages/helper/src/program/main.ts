// berth-launch: the calls that a supervisor on Node lacks, made for it. Node is large and would copy its page tables for
// each fork(2); this program is small and uses vfork. Descriptor 3 is the supervisor; with its end this program ends, and
// nothing that it has launched does.
import { messageOf } from "@berth/base";
import {
  argv,
  exit,
  Fd,
  mkfifo,
  printError,
  run,
  SocketStream,
  SystemError,
  setName,
  setNonblocking,
  watch,
} from "@berth/host";
import { doAside } from "./aside.ts";
import { encodeFrame, type Frame, FrameReader } from "./frame.ts";
import { notify } from "./notify.ts";
import { openProcess, signalProcess, type Target } from "./pidfd.ts";

/** Bytes that are kept of each of a command's outputs, as in the supervisor. */
const OUTPUT_LIMIT = 1 << 20;

interface Run {
  readonly call: "run";
  readonly argv: string[];
  readonly env: string[] | null;
  readonly cwd: string | null;
  readonly input: boolean;
}

type Call =
  | { readonly call: "mkfifo"; readonly path: string; readonly mode: number }
  | { readonly call: "notify"; readonly socket: string; readonly state: string; readonly pid: number }
  | { readonly call: "signal"; readonly target: Target; readonly signal: number };

type Request = { readonly id: number } & (
  | Run
  | Call
  | { readonly call: "ended"; readonly target: Target }
  | { readonly call: "cancel" }
);

setName("berth-launch");
if (argv.length > 1) exit(doAside(argv.slice(1)));
const descriptor = new Fd(3, "the supervisor");
try {
  setNonblocking(descriptor);
} catch (error) {
  printError(`berth-launch: ${messageOf(error)}: berthd starts this program, with a socket as descriptor 3\n`);
  exit(2);
}
const supervisor = new SocketStream(descriptor);
const running = new Map<number, AbortController>();
const nothing = new Uint8Array(0);

const answer = (head: { readonly id: number; readonly done?: boolean }, body = nothing): void =>
  supervisor.write(encodeFrame(head, body));

function fail(id: number, error: unknown): void {
  const code = error instanceof SystemError ? error.code : "";
  answer({ id, error: { code, message: messageOf(error) } } as { id: number });
}

function receive({ head, body }: Frame): void {
  const request = head as Request;
  const { id } = request;
  if (request.call === "cancel") {
    running.get(id)?.abort(new Error("canceled"));
  } else if (request.call === "run") {
    void launch(id, request, body);
  } else {
    try {
      if (request.call === "ended") answerAtEnd(id, request.target);
      else answer({ id, ...done(request) });
    } catch (error) {
      fail(id, error);
    }
  }
}

/** Makes a call that waits for nobody; with what its answer says. */
function done(request: Call): { done?: boolean } {
  if (request.call === "signal") return { done: signalProcess(request.target, request.signal) };
  if (request.call === "mkfifo") mkfifo(request.path, request.mode);
  else if (request.call === "notify") notify(request.socket, request.state, request.pid);
  else throw new Error(`call ${JSON.stringify((request as { call: unknown }).call)} is not known`);
  return {};
}

/** Answers once the process has ended, or nobody waits for it any more. */
function answerAtEnd(id: number, target: Target): void {
  const fd = openProcess(target);
  if (fd === null) {
    answer({ id });
    return;
  }
  const finish = () => {
    watching.close();
    fd.close();
    running.delete(id);
    answer({ id });
  };
  const watching = watch(fd, { readable: true }, finish);
  const stop = new AbortController();
  stop.signal.addEventListener("abort", finish);
  running.set(id, stop);
}

/** In a session of its own: what is sent to the supervisor's group is not for it, and all of it can be killed. */
async function launch(id: number, { argv, env, cwd, input }: Run, body: Uint8Array): Promise<void> {
  const stop = new AbortController();
  running.set(id, stop);
  try {
    const { status, stdout, stderr } = await run({
      argv,
      ...(env !== null && { env }),
      ...(cwd !== null && { cwd }),
      ...(input && { input: body }),
      setsid: true,
      captureLimit: OUTPUT_LIMIT,
      signal: stop.signal,
    });
    const output = new Uint8Array(stdout.length + stderr.length);
    output.set(stdout);
    output.set(stderr, stdout.length);
    answer({ id, status, stdout: stdout.length } as { id: number }, output);
  } catch (error) {
    fail(id, error);
  } finally {
    running.delete(id);
  }
}

const frames = new FrameReader();
supervisor.start({
  onData(chunk) {
    try {
      for (const frame of frames.push(chunk)) receive(frame);
    } catch (error) {
      printError(`berth-launch: the supervisor is not understood: ${messageOf(error)}\n`);
      exit(1);
    }
  },
  // What it has launched goes on, as it does when the supervisor itself has launched it.
  onClose: () => exit(0),
});
