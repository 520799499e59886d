// `hold`: what a pod's namespaces hang on. A shim starts it as the first process of its own PID, IPC and UTS
// namespaces; all it does is enter the pod's network, wait to be ended, and reap what the pod's containers orphan.
import {
  becomeSubreaper,
  collectGarbage,
  enterNetwork,
  O,
  onSignal,
  open,
  setName,
  startReaping,
  stdout,
  write,
  writeFile,
} from "@berth/host";

const SIGINT = 2;
const SIGTERM = 15;

/** Says that it is ready by one byte on stdout. It stays until it is signalled. */
export function holdCommand(network: string, hostname: string, end: () => never): void {
  setName("berth-pod");
  if (network !== "") {
    using namespace = open(network, O.RDONLY);
    enterNetwork(namespace);
  }
  if (hostname !== "") writeFile("/proc/sys/kernel/hostname", hostname);
  becomeSubreaper();
  startReaping();
  for (const signal of [SIGTERM, SIGINT]) onSignal(signal, end);
  write(stdout, new Uint8Array(1));
  collectGarbage();
}
