import assert from "node:assert/strict";
import { it } from "node:test";
import { unavailable } from "@berth/base";
import { Health, type HealthCheckRequest } from "@berth/proto/grpc/health/v1";
import { createMemoryClient, type Interceptor, intercept, register } from "../src/index.ts";

const health = register(Health, {
  check: () => ({ status: 1 }),
  async *watch() {
    yield { status: 1 };
    yield { status: 2 };
  },
});

it("interceptors stand around handlers, the first one outermost, and are asked once a method", async () => {
  const asked: string[] = [];
  const order: string[] = [];
  const named =
    (name: string): Interceptor =>
    (handler, { service, method }) => {
      asked.push(`${name}: ${service}/${method.name}`);
      return (request, call) => {
        order.push(`${name} sees ${(request as HealthCheckRequest).service}`);
        return handler(request, call);
      };
    };
  const client = createMemoryClient(Health, ...intercept([health], named("a"), named("b")));
  assert.equal((await client.check({ service: "x" })).status, 1);
  assert.equal((await client.check({ service: "y" })).status, 1);
  assert.deepEqual(order, ["a sees x", "b sees x", "a sees y", "b sees y"]);
  assert.deepEqual(asked.sort(), [
    "a: grpc.health.v1.Health/Check",
    "a: grpc.health.v1.Health/Watch",
    "b: grpc.health.v1.Health/Check",
    "b: grpc.health.v1.Health/Watch",
  ]);
});

it("an interceptor may answer itself, change a stream, and leave a method alone", async () => {
  const first: Interceptor = (handler, { method }) => {
    if (method.name === "Check")
      return () => {
        throw unavailable("not now");
      };
    return async function* (request, call) {
      for await (const message of handler(request, call) as AsyncIterable<object>) {
        yield message;
        return;
      }
    };
  };
  const client = createMemoryClient(Health, ...intercept([health], first, (handler) => handler));
  await assert.rejects(client.check({}), /not now/);
  const seen = await Array.fromAsync(client.watch({}), ({ status }) => status);
  assert.deepEqual(seen, [1]);
});

it("a handler that is missing stays missing, for the server to say so", () => {
  const half = { service: health.service, impl: { check: () => ({}) } };
  assert.throws(() => createMemoryClient(Health, ...intercept([half])), /has no handler for watch/);
});
