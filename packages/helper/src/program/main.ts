// berth-launch: the calls that a supervisor on Node lacks, made for it. Node is large and would copy its page tables for
// each fork(2); this program is small and uses vfork. Descriptor 3 is the supervisor; with its end this program ends, and
// nothing that it has launched does.
import { messageOf } from "@berth/base";
import { exit, Fd, mkfifo, printError, run, SocketStream, SystemError, setName, setNonblocking } from "@berth/host";
import { encodeFrame, type Frame, FrameReader } from "./frame.ts";
import { notify } from "./notify.ts";

/** Bytes that are kept of each of a command's outputs, as in the supervisor. */
const OUTPUT_LIMIT = 1 << 20;

interface Run {
  readonly call: "run";
  readonly argv: string[];
  readonly env: string[] | null;
  readonly cwd: string | null;
  readonly input: boolean;
}

type Request = { readonly id: number } & (
  | Run
  | { readonly call: "cancel" }
  | { readonly call: "mkfifo"; readonly path: string; readonly mode: number }
  | { readonly call: "notify"; readonly socket: string; readonly state: string; readonly pid: number }
);

setName("berth-launch");
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

const answer = (head: { readonly id: number }, body = nothing): void => supervisor.write(encodeFrame(head, body));

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
      if (request.call === "mkfifo") mkfifo(request.path, request.mode);
      else if (request.call === "notify") notify(request.socket, request.state, request.pid);
      else throw new Error(`call ${JSON.stringify((request as { call: unknown }).call)} is not known`);
      answer({ id });
    } catch (error) {
      fail(id, error);
    }
  }
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
