// berth-launch: runs commands for a supervisor, which is large and would copy its page tables for each fork(2); this
// program is small and uses vfork. Descriptor 3 is the supervisor; with its end this program ends, and nothing else.
import { messageOf } from "@berth/base";
import { exit, Fd, printError, run, SocketStream, SystemError, setName, setNonblocking } from "@berth/host";
import { encodeFrame, type Frame, FrameReader } from "./frame.ts";

/** Bytes that are kept of each of a command's outputs, as in the supervisor. */
const OUTPUT_LIMIT = 1 << 20;

type Request =
  | { id: number; argv: string[]; env: string[] | null; cwd: string | null; input: boolean; cancel?: false }
  | { id: number; cancel: true };

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

function receive({ head, body }: Frame): void {
  const request = head as Request;
  if (request.cancel) running.get(request.id)?.abort(new Error("canceled"));
  else void perform(request, body);
}

/** In a session of its own: what is sent to the supervisor's group is not for it, and all of it can be killed. */
async function perform(request: Exclude<Request, { cancel: true }>, body: Uint8Array): Promise<void> {
  const { id, argv, env, cwd, input } = request;
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
    supervisor.write(encodeFrame({ id, status, stdout: stdout.length }, output));
  } catch (error) {
    const code = error instanceof SystemError ? error.code : "";
    supervisor.write(encodeFrame({ id, error: { code, message: messageOf(error) } }, nothing));
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
