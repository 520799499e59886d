import { unknownError } from "@berth/base";
import { type Child, type Fd, type Namespace, pipe, read, setNonblocking, spawn, watch } from "@berth/host";
import type { SandboxConfig } from "./sandbox-config.ts";

/** Starts the process that keeps a pod's namespaces, and waits until it is in them. The network is a path; empty: the host's. */
export async function startHolder(config: SandboxConfig, network: string): Promise<Child> {
  const namespaces: Namespace[] = [];
  // Where the host's network is shared the host's name is, too (as the CRI has it).
  if (network !== "") namespaces.push("uts");
  if (!config.hostIpc) namespaces.push("ipc");
  if (!config.hostPids) namespaces.push("pid");
  const hostname = network === "" ? "" : config.hostname;
  const ready = pipe();
  const complaint = pipe();
  try {
    const child = spawn({
      argv: ["/proc/self/exe", "hold", network, hostname],
      namespaces,
      setsid: true,
      stdout: ready.write,
      stderr: complaint.write,
      parentDeathSignal: 9,
    });
    ready.write.close();
    complaint.write.close();
    const said = await firstBytes(ready.read);
    if (said.length > 0) return child;
    await child.exited;
    const reason = new TextDecoder()
      .decode(await firstBytes(complaint.read))
      .trim()
      .replace(/^exe: /, "");
    throw unknownError(`failed to make the namespaces of the sandbox: ${reason}`);
  } finally {
    for (const end of [ready.read, ready.write, complaint.read, complaint.write]) end.close();
  }
}

/** Empty where the other end was closed without a word. */
function firstBytes(fd: Fd): Promise<Uint8Array> {
  setNonblocking(fd);
  return new Promise((resolve) => {
    const watching = watch(fd, { readable: true }, () => {
      const bytes = read(fd, 4096);
      if (bytes === null) return;
      watching.close();
      resolve(bytes);
    });
  });
}
