// Adds ten blobs to the store in argv[2], and dies when their names are to be made durable: before there is a record.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { silent, systemClock } from "@berth/base";
import { openStore } from "@berth/store";

const [, , root = ""] = process.argv;
const store = await openStore({ root, clock: systemClock, log: silent });
store.leases.create("test", { id: "l", labels: {} });
const batch = await store.content.batch({ namespace: "test", lease: "l" }, "r");
for (let at = 0; at < 10; at++) {
  const body = async function* () {
    yield Buffer.from(`text ${at}`);
  };
  await batch.add({ expected: "", name: "x", body: body() });
}
fs.fsync = (() => process.kill(process.pid, "SIGKILL")) as unknown as typeof fs.fsync;
syncBuiltinESMExports();
await batch.commit();
