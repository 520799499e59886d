// Mistakes on purpose in the fuzzed programs: a run must fail by them, or it would find nothing else either.
import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { alive, until } from "../shim/harness.ts";
import { buildUnpack } from "../unpack/harness.ts";
import { buildShim, type More, startShim } from "./live-shim.ts";
import { createRandom } from "./random.ts";
import { shimCommandsOf } from "./shim-commands.ts";
import { runTarget, type Target } from "./target.ts";
import { unpackOf } from "./unpack.ts";

const here = import.meta.dirname;
const c = [join(here, "../host/planted/planted.c")];
const onSignal: More = { module: join(here, "planted-on-signal.ts"), c };
const atOnce: More = { module: join(here, "planted-at-once.ts"), c };

it("a shim that has lost memory fails at its end", async () => {
  await using shim = await startShim("asan", onSignal);
  process.kill(shim.pid, "SIGUSR2");
  await shim.check();
  await assert.rejects(shim.end(), /LeakSanitizer: detected memory leaks.*leak_bytes/s);
});

it("a shim that has lost nothing ends well", async () => {
  await using shim = await startShim("asan", onSignal);
  await shim.end();
});

it("a shim that reads freed memory fails at the next look", async () => {
  await using shim = await startShim("asan", onSignal);
  process.kill(shim.pid, "SIGHUP");
  await until(() => !alive(shim.pid));
  await assert.rejects(shim.check(), /AddressSanitizer: heap-use-after-free.*use_after_free/s);
});

const fails = (target: Target) =>
  assert.rejects(runTarget(target, createRandom(1), { inputs: 1000 }), ({ cause }: Error) => {
    assert.match(String(cause), /LeakSanitizer: detected memory leaks/);
    return true;
  });

it("a command that loses memory fails a run of commands", () =>
  fails(shimCommandsOf((directory) => buildShim(directory, "asan", atOnce))));

it("an unpacker that loses memory fails a run of layers, though it is confined when it ends", () =>
  fails(unpackOf(() => buildUnpack("asan", atOnce.module, c))));
