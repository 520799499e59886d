import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BerthError, kindOf, messageOf, silent } from "@berth/base";
import { Task } from "@berth/proto/containerd/task/v2";
import { type Registration, register, type ServiceImpl } from "@berth/rpc";
import { createUnaryClient, createUnaryServer } from "@berth/ttrpc";
import { memoryPair } from "./memory-pair.ts";

/** A task service of which only three methods do something. */
function tasks(waiting: Promise<number>): Registration {
  const impl = {
    connect: () => ({ shimPid: 7, taskPid: 8, version: "" }),
    kill({ id }: { id: string }) {
      throw new BerthError("not-found", `no such container: ${id}`);
    },
    wait: async () => ({ exitStatus: await waiting, exitedAt: null }),
  };
  return register(Task, impl as unknown as ServiceImpl<typeof Task>);
}

function connect(waiting: Promise<number> = Promise.resolve(0)) {
  const { near, far } = memoryPair({});
  let loads = 0;
  const load = async () => {
    loads++;
    return tasks(waiting);
  };
  const names = ["containerd.task.v2.Task", "containerd.task.v3.Task"];
  const server = createUnaryServer({
    registrations: [],
    late: names.map((typeName) => ({ typeName, load })),
    log: silent,
  });
  server.accept(far, { pid: 1 });
  const client = createUnaryClient(near);
  return { server, client, task: client.service(Task), loads: () => loads };
}

const failure = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return "none";
  } catch (error) {
    return `${kindOf(error)}: ${messageOf(error)}`;
  }
};

describe("a late service", () => {
  it("is made for each call, by any of its names", async () => {
    const { client, task, loads } = connect();
    assert.equal((await task.connect({ id: "a" })).taskPid, 8);
    const v3 = client.service({ ...Task, typeName: "containerd.task.v3.Task" });
    assert.equal((await v3.connect({ id: "a" })).shimPid, 7);
    assert.equal(loads(), 2);
  });

  it("fails a call as any other does", async () => {
    const { task } = connect();
    assert.equal(await failure(task.kill({ id: "x" })), "not-found: no such container: x");
  });

  it("has no other methods, and its server no other services", async () => {
    const { client } = connect();
    const odd = { unary: { ...Task.methods.connect, name: "Nonsense" } };
    const unknown = client.service({ typeName: "containerd.task.v2.Task", methods: odd });
    assert.equal(await failure(unknown.unary({ id: "a" })), "unimplemented: method Nonsense");
    const other = client.service({ typeName: "other.Service", methods: odd });
    assert.equal(await failure(other.unary({ id: "a" })), "unimplemented: service other.Service");
  });

  it("answers one call while another waits, and ends with both answered", async () => {
    let end: (status: number) => void = () => {};
    const { server, task } = connect(new Promise((resolve) => (end = resolve)));
    const waited = task.wait({ id: "a" });
    await task.connect({ id: "a" });
    assert.equal(server.activeCalls, 1);
    const gone = server.shutdown();
    end(3);
    assert.equal((await waited).exitStatus, 3);
    await gone;
    assert.equal(server.connections, 0);
  });
});
