// `berthd oci-hook PROGRAM ARG…`, as containerd's: an OCI hook whose arguments are filled in from the container's state.
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { invalidArgument, messageOf } from "@berth/base";
import { type HookValues, renderHookArgument } from "./hook-template.ts";

/** Larger states are nobody's. */
const LARGEST = 4 << 20;

interface State {
  readonly id?: string;
  readonly bundle?: string;
  readonly pid?: number;
  readonly status?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Becomes the program; returns only by throwing. `input` is the state that the runtime gives to its hooks. */
export async function ociHook(args: readonly string[], input: AsyncIterable<Uint8Array>): Promise<never> {
  const state = await readState(input);
  const values = valuesOf(state, rootOf(state.bundle ?? ""));
  const [program, ...rest] = args.map((arg) => renderHookArgument(arg, values));
  if (program === undefined) throw invalidArgument("oci-hook: the program to run is missing");
  // A program that cannot be run would abort us: execve(2) has no way back here.
  if (!isProgram(program)) throw invalidArgument(`oci-hook: ${JSON.stringify(program)} is not an executable file`);
  const environment = { ...process.env };
  for (const name of ["BERTHD_PROGRAM", "MALLOC_MMAP_THRESHOLD_"]) delete environment[name];
  const { execve } = process;
  if (execve === undefined) throw new Error("this Node has no execve: use the one that berthd came with");
  return execve.call(process, program, [program, ...rest], environment);
}

async function readState(input: AsyncIterable<Uint8Array>): Promise<State> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > LARGEST) throw invalidArgument(`oci-hook: the state on standard input is larger than ${LARGEST} bytes`);
    chunks.push(chunk);
  }
  return jsonOf(Buffer.concat(chunks).toString(), "the state on standard input") as State;
}

/** The root of the container's spec; relative ones are below the bundle. */
function rootOf(bundle: string): string {
  const file = join(bundle, "config.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw invalidArgument(`oci-hook: ${messageOf(cause)}`, { cause });
  }
  const path = (jsonOf(text, file) as { root?: { path?: string } }).root?.path ?? "";
  return isAbsolute(path) ? path : join(bundle, path);
}

function jsonOf(text: string, what: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (cause) {
    throw invalidArgument(`oci-hook: ${what} is not JSON: ${messageOf(cause)}`, { cause });
  }
  throw invalidArgument(`oci-hook: ${what} is not a JSON object`);
}

const valuesOf = (state: State, rootfs: string): HookValues => ({
  id: state.id ?? "",
  bundle: state.bundle ?? "",
  rootfs,
  pid: String(state.pid ?? 0),
  status: state.status ?? "",
  annotations: state.annotations ?? {},
});

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
