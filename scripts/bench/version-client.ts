// A process of its own that asks for the version again and again, and tells its parent on request what it has waited.
import { setTimeout as sleep } from "node:timers/promises";
import { connectGrpc } from "@berth/grpc";
import { Version } from "@berth/proto/containerd/services/version/v1";

const PAUSE_MS = 10;
const [address = ""] = process.argv.slice(2);
const connection = connectGrpc(address);
const version = connection.service(Version);
let waited: number[] = [];

process.on("message", () => {
  process.send?.(waited);
  waited = [];
});
process.on("disconnect", () => process.exit());

for (;;) {
  const begun = performance.now();
  await version.version({}, { namespace: "default" });
  waited.push(performance.now() - begun);
  await sleep(PAUSE_MS);
}
