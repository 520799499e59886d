// What the tests below test/vm need to know of the system that scripts/vm boots.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** For `describe`: these tests need systemd and a pure cgroup v2. */
export const onlyInVm = {
  skip: process.env.BERTH_VM ? false : "needs the system that scripts/vm boots",
  // Software emulation: what takes 0.1 s outside takes 1 to 2 s in there.
  timeout: 600_000,
} as const;

/** The directory of the cgroup that a process is in. */
export function cgroupOf(pid: number): string {
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
  return join("/sys/fs/cgroup", path);
}

export const read = (directory: string, name: string): string => readFileSync(join(directory, name), "utf8").trim();

/** `key value` lines. */
export function keyed(text: string): Map<string, bigint> {
  return new Map(
    text.split("\n").map((line) => {
      const [key = "", value = "0"] = line.split(" ");
      return [key, BigInt(value)];
    }),
  );
}

/** What systemd says of a unit. */
export async function unitProperty(unit: string, property: string): Promise<string> {
  const { stdout } = await run("systemctl", ["show", "--value", "--property", property, unit]);
  return stdout.trim();
}

export async function systemctl(...args: string[]): Promise<string> {
  const { stdout } = await run("systemctl", args);
  return stdout;
}
