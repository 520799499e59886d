import type { Init } from "@berth/proto";
import type { Mount } from "@berth/proto/berth/v1";
import { UsageError } from "./usage-error.ts";

/** What `-v SOURCE:TARGET[:OPTIONS]` asks for; a relative source is below `cwd`. Throws UsageError. */
export function parseVolume(given: string, cwd: string): Init<Mount> {
  const [source = "", target = "", options = "", ...more] = given.split(":");
  const quoted = JSON.stringify(given);
  if (source === "" || target === "" || more.length > 0)
    throw new UsageError(`${quoted} is no SOURCE:TARGET or SOURCE:TARGET:OPTIONS`);
  if (!/^[./]/.test(source))
    throw new UsageError(`${quoted}: write a directory as ./${source} or by its full path; named volumes do not exist`);
  checkTarget(target);
  return bind(absolute(source, cwd), target, options === "" ? [] : options.split(","));
}

const keyOf: Readonly<Record<string, "type" | "source" | "target" | "readonly" | "options">> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  dst: "target",
  destination: "target",
  readonly: "readonly",
  ro: "readonly",
  options: "options",
};

/** What `--mount type=…,source=…,target=…[,readonly][,options=A:B]` asks for; `bind` without a type. Throws UsageError. */
export function parseMount(given: string, cwd: string): Init<Mount> {
  const parts: Record<string, string> = {};
  for (const member of given.split(",")) {
    const [name = "", value] = splitAt(member, "=");
    const key = Object.hasOwn(keyOf, name) ? keyOf[name] : undefined;
    if (key === undefined)
      throw new UsageError(`${JSON.stringify(name)} is unknown: there are type, source, target, readonly and options`);
    if (value === undefined && key !== "readonly") throw new UsageError(`${name} needs a value: ${name}=…`);
    parts[key] = value ?? "true";
  }
  const { type = "bind", source = "", target = "" } = parts;
  if (target === "") throw new UsageError("target is missing: target=PATH");
  checkTarget(target);
  const options = parts.options === undefined ? [] : parts.options.split(":").filter((option) => option !== "");
  if (isYes(parts.readonly)) options.push("ro");
  if (type === "bind") {
    if (source === "") throw new UsageError("source is missing: source=PATH");
    return bind(absolute(source, cwd), target, options);
  }
  return { type, source: source === "" ? type : source, destination: target, options };
}

function isYes(given: string | undefined): boolean {
  if (given === undefined || given === "false" || given === "0") return false;
  if (given === "true" || given === "1") return true;
  throw new UsageError(`readonly is ${JSON.stringify(given)}: write readonly, readonly=true or readonly=false`);
}

function bind(source: string, destination: string, options: readonly string[]): Init<Mount> {
  const kind = options.some((option) => option === "bind" || option === "rbind") ? [] : ["rbind"];
  return { type: "bind", source, destination, options: [...kind, ...options] };
}

function checkTarget(target: string): void {
  if (!target.startsWith("/")) throw new UsageError(`target ${JSON.stringify(target)} must be a full path`);
}

const absolute = (path: string, cwd: string): string =>
  path.startsWith("/") ? path : `${cwd === "/" ? "" : cwd}/${path.replace(/^\.\/+/, "")}`.replace(/\/\.?$/, "");

/** The text before and after the first `mark`; only the text where there is none. */
export function splitAt(given: string, mark: string): [string] | [string, string] {
  const at = given.indexOf(mark);
  return at < 0 ? [given] : [given.slice(0, at), given.slice(at + mark.length)];
}
