// Runs on the host (packages/host): launches commands and says how long each took, by a clock of its own. Node spends
// most of such a time on its own fork of 80 MB; this program lends its memory to the child until exec, as Go's runtime
// does for a daemon, so what is measured is the command. launcher.ts asks: one request and one reply a line, in JSON.
import { messageOf } from "@berth/base";
import { connectUnix, exit, type Fd, monotonic, pipe, print, read, spawn, startReaping, stdin } from "@berth/host";
import { Task } from "@berth/proto/containerd/task/v2";
import { createUnaryClient } from "@berth/ttrpc";
import type { Launch, Launched } from "./launcher.ts";

const CHUNK = 1 << 16;
const ANSWER_MS = 10_000;
const decoder = new TextDecoder();

async function perform({ argv, env, cwd, shim = false }: Launch): Promise<Launched> {
  const { read: output, write: theirs } = pipe();
  using _output = output;
  const begun = monotonic();
  const child = spawn({ argv, stdout: theirs, setpgid: true, ...(env && { env }), ...(cwd && { cwd }) });
  theirs.close();
  const text = readToEnd(output);
  const { status } = await child.exited;
  if (!shim || status !== 0) return { ms: monotonic() - begun, answeredMs: null, status, output: text };
  const stream = connectUnix(text.trim().replace(/^unix:\/\//, ""));
  const ms = monotonic() - begun;
  // A shim without a container answers this too.
  const client = createUnaryClient(stream);
  await client.service(Task).connect({ id: "none" }, { namespace: "bench", timeoutMs: ANSWER_MS });
  const answeredMs = monotonic() - begun;
  client.close();
  return { ms, answeredMs, status, output: text };
}

function readToEnd(fd: Fd): string {
  let text = "";
  for (;;) {
    const chunk = read(fd, CHUNK);
    if (chunk === null || chunk.length === 0) return text;
    text += decoder.decode(chunk);
  }
}

/** Its stdin is blocking, and there is nothing else to do meanwhile. */
async function main(): Promise<never> {
  startReaping();
  let rest = "";
  for (;;) {
    const chunk = read(stdin, CHUNK);
    if (chunk === null || chunk.length === 0) exit(0);
    const lines = (rest + decoder.decode(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      let reply: object;
      try {
        reply = await perform(JSON.parse(line) as Launch);
      } catch (error) {
        reply = { error: messageOf(error) };
      }
      print(`${JSON.stringify(reply)}\n`);
    }
  }
}

void main();
