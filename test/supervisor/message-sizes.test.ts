// The limits of messages that the section grpc sets, on the original first.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOf } from "@berth/base";
import { connectGrpc } from "@berth/grpc";
import { typeUrls } from "@berth/proto";
import { Containers } from "@berth/proto/containerd/services/containers/v1";
import { startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";

const LIMIT = 65_536;
const isRoot = process.getuid?.() === 0 ? false : "needs root";
const to = { namespace: "sizes", timeoutMs: 30_000 };

/** A container whose record has so many bytes, and some more. */
const ofSize = (id: string, bytes: number) => ({
  container: {
    id,
    runtime: { name: "io.containerd.runc.v2" },
    spec: { typeUrl: typeUrls.spec, value: new TextEncoder().encode(JSON.stringify("x".repeat(bytes))) },
  },
});

for (const [title, start, skip] of [
  ["containerd", startContainerd, !hasContainerd()],
  ["berthd", startBerthd, false],
] as const)
  describe(`sizes of messages to and from ${title}`, { skip: isRoot || skip }, () => {
    it("max_recv_message_size refuses larger requests, and smaller ones pass", async () => {
      await using daemon = await start({ grpc: `max_recv_message_size = ${LIMIT}` });
      using connection = connectGrpc(daemon.address);
      const containers = connection.service(Containers);
      await containers.create(ofSize("small", LIMIT / 2), to);
      const refused = await containers.create(ofSize("large", LIMIT), to).catch(kindOf);
      assert.equal(refused, "resource-exhausted");
      assert.deepEqual(
        (await containers.list({}, to)).containers.map(({ id }) => id),
        ["small"],
      );
    });

    it("max_send_message_size refuses larger answers, and smaller ones pass", async () => {
      await using daemon = await start({ grpc: `max_send_message_size = ${LIMIT}` });
      using connection = connectGrpc(daemon.address);
      const containers = connection.service(Containers);
      for (const id of ["one", "two"]) await containers.create(ofSize(id, LIMIT / 2), to);
      assert.equal((await containers.get({ id: "one" }, to)).container?.id, "one");
      assert.equal(await containers.list({}, to).catch(kindOf), "resource-exhausted");
    });

    it("without it, answers of 16 MiB pass, and larger ones do not", async () => {
      await using daemon = await start();
      using connection = connectGrpc(daemon.address);
      const containers = connection.service(Containers);
      const add = (id: string) => containers.create(ofSize(id, 3 << 20), to);
      for (const id of ["a", "b", "c", "d", "e"]) await add(id);
      assert.equal((await containers.list({}, to)).containers.length, 5);
      await add("f");
      assert.equal(await containers.list({}, to).catch(kindOf), "resource-exhausted");
    });
  });
