import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { unknownError } from "@berth/base";

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
    throw unknownError(`invalid custom binary path: ${whyNot(name)}`);
  }
  const binary = shimBinaryName(name);
  for (const directory of [...path.split(":"), ownDirectory]) {
    // An empty or relative entry means the current directory, which is nobody's to choose for root.
    if (!isAbsolute(directory)) continue;
    const candidate = join(directory, binary);
    if (isExecutable(candidate)) return candidate;
  }
  throw unknownError(
    `runtime ${JSON.stringify(name)} binary not installed ${JSON.stringify(binary)}: file does not exist`,
  );
}

/** `io.containerd.runc.v2` → `containerd-shim-runc-v2`. Throws unknown, as containerd does, for a name of another form. */
export function shimBinaryName(name: string): string {
  const parts = name.split(".");
  const kind = parts.at(-2);
  const version = parts.at(-1);
  if (name.includes("/") || !parts[0] || !kind || !version)
    throw unknownError(
      `invalid runtime name ${name}, correct runtime name should be either format like \`io.containerd.runc.v1\` or a full path to the binary`,
    );
  return `containerd-shim-${kind}-${version}`;
}

/** In the words of a Go program. */
function whyNot(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return `stat ${path}: no such file or directory`;
  return found.isFile() ? `${path} is not executable` : `${path} is no file`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
