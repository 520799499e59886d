import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { kindOf } from "@berth/base";
import { Engine } from "@berth/proto/berth/v1";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import { Health } from "@berth/proto/grpc/health/v1";
import { namespace, startHarness } from "./harness.ts";

const outcome = (waiting: Promise<unknown>): Promise<string> =>
  waiting.then(
    () => "ok",
    (error: unknown) => kindOf(error),
  );

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

it("whoever waits for what others do is told unavailable when berthd stops, and work goes on", async () => {
  await using h = await startHarness();
  const options = { namespace };
  const spec = { typeUrl: "x", value: new Uint8Array([1]) };
  await h
    .client(Containers)
    .create({ container: { id: "c", runtime: { name: "io.containerd.runc.v2" }, spec } }, options);
  await h.client(Tasks).create({ containerId: "c" }, options);
  const logs = join(h.root, "io.berth.engine.v1/logs", namespace);
  await mkdir(logs, { recursive: true });
  writeFileSync(join(logs, "c.log"), "line\n");

  const health = h.client(Health).watch({})[Symbol.asyncIterator]();
  await health.next();
  const follow = h.client(Engine).readLogs({ id: "c", follow: true }, options)[Symbol.asyncIterator]();
  await follow.next();
  const waiting = {
    wait: outcome(h.client(Tasks).wait({ containerId: "c" }, options)),
    waitContainer: outcome(h.client(Engine).waitContainer({ id: "c" }, options)),
    events: outcome(readAll(h.client(Events).subscribe({}))),
    logs: outcome(follow.next()),
    health: outcome(health.next()),
  };
  h.stop();
  for (const [what, call] of Object.entries(waiting)) assert.equal(await call, "unavailable", what);
  assert.equal(await outcome(h.client(Tasks).wait({ containerId: "c" }, options)), "unavailable");
  assert.equal(await outcome(h.client(Version).version({})), "ok");
});
