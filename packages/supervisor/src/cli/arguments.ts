import { parseArgs } from "node:util";
import { invalidArgument, messageOf } from "@berth/base";

/** What berthd was asked to do. Flags that were not given are null. */
export interface Arguments {
  readonly command: "serve" | "help" | "version" | (typeof commands)[number];
  readonly config: string | null;
  readonly address: string | null;
  readonly root: string | null;
  readonly state: string | null;
  readonly logLevel: string | null;
  /** One mirror of all registries. */
  readonly registryMirror: string | null;
  /** For publish. */
  readonly topic: string | null;
  readonly namespace: string | null;
  /** For oci-hook: the program and its arguments, as they came. */
  readonly hook: readonly string[];
}

const commands = [
  "config default",
  "config dump",
  "config migrate",
  "publish",
  "oci-hook",
  "recover",
  "quarantine",
  "quarantine rm",
] as const;

/** Throws invalid-argument with one sentence. Single-dash long flags are taken too, as Go programs send them. */
export function parseArguments(argv: readonly string[]): Arguments {
  const hookAt = argv.indexOf("oci-hook") + 1;
  // What stands behind it is the hook's, flags and all.
  if (hookAt > 0) {
    const { values, positionals } = parsed(argv.slice(0, hookAt).map(longFlag));
    const [first, ...others] = argv.slice(hookAt);
    if (positionals.join(" ") === "oci-hook" && !values.help && !values.version && first !== undefined)
      return { ...argumentsOf(values, "oci-hook"), hook: first === "--" ? others : [first, ...others] };
  }
  const { values, positionals } = parsed(argv.map(longFlag));
  const command = positionals.join(" ");
  const known = commands.find((one) => one === command);
  if (command !== "" && known === undefined)
    throw invalidArgument(`command ${JSON.stringify(command)} is not known: try berthd --help`);
  return argumentsOf(values, values.help ? "help" : values.version ? "version" : (known ?? "serve"));
}

const longFlag = (arg: string): string => (/^-[a-z-]{2,}(=|$)/.test(arg) && !arg.startsWith("--") ? `-${arg}` : arg);

function argumentsOf(values: ReturnType<typeof parsed>["values"], command: Arguments["command"]): Arguments {
  return {
    command,
    config: values.config ?? null,
    address: values.address ?? null,
    root: values.root ?? null,
    state: values.state ?? null,
    logLevel: values["log-level"] ?? null,
    registryMirror: values["registry-mirror"] ?? null,
    topic: values.topic ?? null,
    namespace: values.namespace ?? null,
    hook: [],
  };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        config: { type: "string", short: "c" },
        address: { type: "string", short: "a" },
        root: { type: "string" },
        state: { type: "string" },
        "log-level": { type: "string", short: "l" },
        "registry-mirror": { type: "string" },
        topic: { type: "string" },
        namespace: { type: "string" },
        version: { type: "boolean", short: "v" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw invalidArgument(`${messageOf(cause).split(". ")[0]}: try berthd --help`, { cause });
  }
}

export const help = `berthd supervises containers.

usage: berthd [flags]                  serve until SIGTERM; containers go on without it
       berthd config default           print the configuration of a machine without a file
       berthd config dump              print the configuration in force
       berthd config migrate           the same, in the newest form of the file
       berthd recover                  rebuild a database that is lost from what the disk and the tasks tell
       berthd quarantine [rm]          list (or delete) what starts have put aside since nothing explained it
       berthd publish --topic T        publish the event on standard input (google.protobuf.Any)
       berthd oci-hook PROGRAM ARG…    run an OCI hook with its arguments filled in: {{id}} {{bundle}} {{rootfs}}
                                       {{pid}} {{status}} {{annotation "KEY"}}

  -c, --config FILE      default /etc/berth/config.toml, which may be absent
  -a, --address PATH     gRPC socket, default /run/berth/berth.sock; ttrpc is at PATH.ttrpc
      --root DIR         what is kept over a restart of the machine, default /var/lib/berth
      --state DIR        what is not, default /run/berth
  -l, --log-level LEVEL  debug, info, warn or error
      --registry-mirror URL  asked first for the images of every registry, default $CONTAINER_REGISTRY_MIRROR
      --namespace NAME   of the event to publish
  -v, --version
  -h, --help
`;
