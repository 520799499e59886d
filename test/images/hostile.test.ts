// A hundred hostile archives and manifests through a real berthd: the right code, one clear sentence, nothing left, and
// bounded memory. What each costs in time is told by `npm run bench -- --hostile`.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { kindOf, messageOf } from "@berth/base";
import { connectGrpc, type GrpcConnection } from "@berth/grpc";
import { Engine } from "@berth/proto/berth/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { hostileArchives, importHostile, peakMemory } from "../../scripts/bench/hostile-archives.ts";
import { startBerthd } from "../support/berthd.ts";
import type { Supervisor } from "../support/supervisor.ts";
import { worldOf } from "../support/world.ts";

const NAME = "docker.io/library/odd:1";
const namespace = `hostile${process.pid}`;
const engineWords = /not a function|of undefined|of null|not iterable|TypeError|RangeError|ENOENT|EINVAL/;
const MOST_MEMORY = 256e6;

describe("hostile archives", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  let daemon: Supervisor;
  let connection: GrpcConnection;

  before(async () => {
    daemon = await startBerthd();
    connection = connectGrpc(daemon.address);
  });
  after(async () => {
    connection.close();
    await daemon.stop();
  });

  it("are more than a hundred", () => assert.ok(hostileArchives.length > 100, String(hostileArchives.length)));

  for (const { title, refused, archive } of hostileArchives)
    it(`${title}: ${refused === null ? "becomes an image" : refused[0]}`, async () => {
      const before = await worldOf(daemon, namespace);
      const outcome = await importHostile(connection, namespace, archive()).catch((error: unknown) => error);
      if (refused === null) {
        assert.deepEqual(outcome, [NAME], messageOf(outcome));
        const engine = connection.service(Engine);
        const { id } = await engine.createContainer({ image: NAME, args: ["true"] }, { namespace });
        await engine.removeContainer({ id }, { namespace });
        await connection.service(Images).delete({ name: NAME, sync: true }, { namespace });
      } else {
        const message = messageOf(outcome);
        assert.match(message, refused[1]);
        assert.equal(kindOf(outcome), refused[0], message);
        assert.ok(!/\n/.test(message) && message.length < 1_000, `one sentence, not ${message}`);
        assert.ok(!engineWords.test(message), `a sentence that nobody has written: ${message}`);
      }
      assert.deepEqual(await worldOf(daemon, namespace), before);
    });

  it("never cost berthd more than 256 MB", () => {
    const peak = peakMemory(daemon.pid);
    assert.ok(peak < MOST_MEMORY, `${peak} bytes`);
  });
});
