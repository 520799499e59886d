import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { invalidArgument, unknownError } from "@berth/base";

export interface ShimResolverOptions {
  /** Shims by runtime name, before any search: `io.containerd.runc.v2` → our own. */
  readonly shims: Readonly<Record<string, string>>;
  /** Directories, as in $PATH. */
  readonly path: string;
  /** Searched last: the directory of the supervisor's own program. */
  readonly ownDirectory: string;
}

/**
 * Finds the shim of a runtime: `io.containerd.NAME.vN` is `containerd-shim-NAME-vN` on PATH or beside the
 * supervisor, an absolute path is itself. What was found is remembered as long as it is there.
 *
 * A runtime that is not installed is of kind unknown, as with containerd; not-found would say that the
 * container does not exist.
 */
export function createShimResolver(options: ShimResolverOptions): (runtimeName: string) => string {
  const found = new Map<string, string>();
  return (name) => {
    const known = found.get(name);
    if (known !== undefined && isExecutable(known)) return known;
    const path = resolve(name, options);
    found.set(name, path);
    return path;
  };
}

function resolve(name: string, { shims, path, ownDirectory }: ShimResolverOptions): string {
  const configured = Object.hasOwn(shims, name) ? shims[name] : undefined;
  if (configured !== undefined) {
    if (isExecutable(configured)) return configured;
    throw unknownError(
      `runtime ${JSON.stringify(name)} is configured to use ${configured}, which is not an executable file`,
    );
  }
  if (isAbsolute(name)) {
    if (isExecutable(name)) return name;
    throw unknownError(`runtime ${JSON.stringify(name)} is not an executable file`);
  }
  const binary = shimBinaryName(name);
  for (const directory of [...path.split(":"), ownDirectory]) {
    // An empty or relative entry means the current directory, which is nobody's to choose for root.
    if (!isAbsolute(directory)) continue;
    const candidate = join(directory, binary);
    if (isExecutable(candidate)) return candidate;
  }
  throw unknownError(
    `runtime ${JSON.stringify(name)} is not installed: no ${JSON.stringify(binary)} on PATH (${path}) or in ${ownDirectory}`,
  );
}

/** `io.containerd.runc.v2` → `containerd-shim-runc-v2`. Throws invalid-argument for a name of another form. */
export function shimBinaryName(name: string): string {
  const parts = name.split(".");
  const kind = parts.at(-2);
  const version = parts.at(-1);
  if (name.includes("/") || !parts[0] || !kind || !version)
    throw invalidArgument(
      `runtime name ${JSON.stringify(name)} is invalid: use a name such as io.containerd.runc.v2, or the absolute path of a shim`,
    );
  return `containerd-shim-${kind}-${version}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
