// The real client as a child process.
import { existsSync, mkdtempSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildProgram } from "../../packages/host/build.ts";
import { type Command, commandOf } from "../support/command.ts";

const top = resolve(import.meta.dirname, "../..");

/** Path of `berth`: the built one, or one built now where there is none. BERTH_BIN names another. */
export async function berthProgram(): Promise<string> {
  if (process.env.BERTH_BIN !== undefined) return process.env.BERTH_BIN;
  const built = join(top, "dist/bin/berth");
  if (existsSync(built)) return built;
  const entry = join(top, "packages/client/src/main.ts");
  return await buildProgram({
    entry,
    name: "berth",
    outDir: mkdtempSync("/tmp/berth-client-bin."),
    variant: "release",
  });
}

/** Runtimes and cgroups know a container by namespace and id, whichever supervisor it belongs to. */
export const testNamespace: string = `client-test-${process.pid}`;

export type Berth = Command;

/** The client for the supervisor at an address. */
export async function berthAt(address: string, namespace = testNamespace): Promise<Berth> {
  return commandOf({
    program: await berthProgram(),
    env: { ...process.env, BERTH_ADDRESS: address, BERTH_NAMESPACE: namespace },
    encoding: "latin1",
  });
}

/** A shell in which `berth` is the client for the supervisor at an address: for what only a shell can redirect. */
export async function shellAt(address: string): Promise<Command> {
  const program = await berthProgram();
  const path = `${dirname(program)}:${process.env.PATH}`;
  return commandOf({
    program: "/bin/sh",
    env: { ...process.env, PATH: path, BERTH_ADDRESS: address, BERTH_NAMESPACE: testNamespace },
  });
}
