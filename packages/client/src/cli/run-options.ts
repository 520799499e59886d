// The options of `berth run`, and the request that they make.
import type { Init } from "@berth/proto";
import type { CreateContainerRequest } from "@berth/proto/berth/v1";
import { flag, list, type Options, parsed, text, type Values } from "./args.ts";
import { parseMount, parseVolume, splitAt } from "./mount-option.ts";
import { parseSize } from "./size.ts";
import { UsageError } from "./usage-error.ts";

export const runOptions = {
  detach: flag("run in the background and print the id; output goes to the log", { short: "d" }),
  rm: flag("remove the container when it has ended"),
  pull: parsed(
    "fetch the image: always, never, or when it is missing [missing]",
    { value: "WHEN" },
    "missing",
    parsePull,
  ),
  interactive: flag("pass on stdin", { short: "i" }),
  tty: flag("give it a terminal; ctrl-p ctrl-q leaves it running", { short: "t" }),
  name: text("the container's id [a random one]", { value: "NAME" }),
  env: list("set a variable; NAME alone passes on berth's own", { short: "e", value: "NAME=VALUE" }),
  volume: list("a directory or file of this machine", { short: "v", value: "SOURCE:TARGET[:ro]" }),
  mount: list("any mount, as type=…,source=…,target=…", { value: "SPEC" }),
  user: text("who runs it, by name or number [the image's]", { short: "u", value: "USER[:GROUP]" }),
  workdir: text("where it starts [the image's]", { short: "w", value: "PATH" }),
  hostname: text("its host name [the id]", { value: "NAME" }),
  entrypoint: text("what to run instead of the image's entrypoint", { value: "COMMAND" }),
  network: text("none (loopback only) or host [none]", { value: "MODE" }),
  label: list("a label of the container", { value: "NAME=VALUE" }),
  annotation: list("an annotation for the runtime", { value: "NAME=VALUE" }),
  memory: parsed("most memory it may use, like 512m", { short: "m", value: "SIZE" }, 0, parseSize),
  cpus: parsed("most processors it may use, like 1.5", { value: "NUMBER" }, 0, parseCpus),
  "pids-limit": parsed("most processes it may have", { value: "NUMBER" }, 0, parseCount),
  ulimit: list("a limit of its processes, like nofile=1024:4096", { value: "TYPE=SOFT[:HARD]" }),
  "read-only": flag("make the root file system read-only"),
  privileged: flag("give it every capability and device"),
  "cap-add": list("add a capability", { value: "NAME" }),
  "cap-drop": list("take a capability away", { value: "NAME" }),
  "security-opt": list("no-new-privileges=false, seccomp=FILE or unconfined, apparmor=, systempaths=", {
    value: "OPTION",
  }),
  "log-opt": list("max-size=10m, of each file of the log (0: no limit), or max-file=3", { value: "NAME=VALUE" }),
  runtime: text("the shim: a name like io.containerd.runc.v2, or a path", { value: "NAME" }),
  "runtime-binary": text("the OCI runtime, by name or path [runc]", { value: "FILE" }),
  snapshotter: text("what holds the root file system", { value: "NAME" }),
} satisfies Options;

export type PullPolicy = "always" | "missing" | "never";

function parsePull(given: string): PullPolicy {
  if (given !== "always" && given !== "missing" && given !== "never")
    throw new UsageError(`${JSON.stringify(given)} is none of always, missing, never`);
  return given;
}

/** What the request takes from around the program. */
export interface Surroundings {
  env(name: string): string | null;
  cwd(): string;
  readText(path: string): string;
}

/** The request for `berth run … IMAGE [COMMAND…]`. Throws UsageError. */
export function containerRequest(
  values: Values<typeof runOptions>,
  [image, ...args]: readonly string[],
  around: Surroundings,
): Init<CreateContainerRequest> & { readonly image: string } {
  if (image === undefined || image === "") throw new UsageError("the image to run is missing");
  if (values.detach && values.interactive) throw new UsageError("--interactive does not go with --detach");
  const cwd = around.cwd();
  return {
    id: values.name,
    image,
    args,
    entrypoint: values.entrypoint === "" ? [] : [values.entrypoint],
    env: environment(values.env, around),
    cwd: values.workdir,
    user: values.user,
    hostname: values.hostname,
    terminal: values.tty,
    mounts: [
      ...values.volume.map((given) => naming("--volume", () => parseVolume(given, cwd))),
      ...values.mount.map((given) => naming("--mount", () => parseMount(given, cwd))),
    ],
    memoryLimit: values.memory,
    cpus: values.cpus,
    pidsLimit: values["pids-limit"],
    ulimits: values.ulimit,
    runtime: values.runtime,
    runtimeBinary: values["runtime-binary"],
    snapshotter: values.snapshotter,
    privileged: values.privileged,
    readOnly: values["read-only"],
    capAdd: values["cap-add"],
    capDrop: values["cap-drop"],
    securityOpt: values["security-opt"].map((given) => securityOption(given, around)),
    labels: pairs("--label", values.label),
    annotations: pairs("--annotation", values.annotation),
    network: values.network,
    logOptions: logOptions(values["log-opt"]),
    // In the foreground the client removes it, once it has the last of its output.
    autoRemove: values.rm && values.detach,
  };
}

/** NAME=VALUE of each; NAME alone takes the value that is set here, and is left out where none is. */
export function environment(given: readonly string[], around: Pick<Surroundings, "env">): string[] {
  return given.flatMap((entry) => {
    const [name, value] = splitAt(entry, "=");
    if (name === "") throw new UsageError(`option --env: ${JSON.stringify(entry)} has no name: write NAME=VALUE`);
    if (value !== undefined) return [entry];
    const own = around.env(name);
    return own === null ? [] : [`${name}=${own}`];
  });
}

function pairs(option: string, given: readonly string[]): Record<string, string> {
  const out: Record<string, string> = Object.create(null);
  for (const entry of given) {
    const [name, value = ""] = splitAt(entry, "=");
    if (name === "") throw new UsageError(`option ${option}: ${JSON.stringify(entry)} has no name: write NAME=VALUE`);
    out[name] = value;
  }
  return out;
}

/** Sizes become bytes; what else there is, the supervisor knows. */
function logOptions(given: readonly string[]): Record<string, string> {
  const options = pairs("--log-opt", given);
  const size = options["max-size"];
  if (size !== undefined) options["max-size"] = `${naming("--log-opt max-size", () => parseSize(size))}`;
  return options;
}

/** The supervisor takes a profile by its text: files of this side are read here. */
function securityOption(given: string, around: Surroundings): string {
  const [name, value] = splitAt(given, "=");
  if (name !== "seccomp" || value === undefined || value === "unconfined" || value.startsWith("{")) return given;
  return naming("--security-opt", () => {
    try {
      return `seccomp=${around.readText(value)}`;
    } catch (cause) {
      throw new UsageError(`cannot read the profile: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  });
}

function naming<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`option ${option}: ${error.message}`);
  }
}

function parseCpus(given: string): number {
  const cpus = Number(given);
  if (!/^\d*\.?\d+$/.test(given) || cpus <= 0)
    throw new UsageError(`${JSON.stringify(given)} is not a number of processors: write it like 2 or 1.5`);
  return cpus;
}

function parseCount(given: string): number {
  if (!/^-1$|^\d{1,9}$/.test(given))
    throw new UsageError(`${JSON.stringify(given)} is not a count: write a whole number, or -1 for no limit`);
  return Number(given);
}
