// Holds every import against the table of allowed edges: arrows between packages point down only, and the
// packages that also run in the small programs use nothing of Node. No files of a package import each other in a circle,
// nor do its folders.
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { circlesIn } from "./circles.ts";

const top = resolve(import.meta.dirname, "..");

/** package, or the part of one that runs in a small program → packages that it may import. */
const edges: Readonly<Record<string, readonly string[]>> = {
  base: [],
  proto: [],
  rpc: ["base", "proto"],
  ttrpc: ["base", "proto", "rpc"],
  transport: ["base", "ttrpc"],
  grpc: ["base", "proto", "rpc"],
  host: ["base", "ttrpc"],
  helper: ["base"],
  "helper/program": ["base", "host"],
  shim: ["base", "proto", "rpc", "ttrpc", "host"],
  client: ["base", "proto", "rpc", "ttrpc", "host"],
  unpack: ["base", "host"],
  store: ["base"],
  images: ["base", "store"],
  runtime: ["base", "proto", "rpc", "ttrpc", "transport", "helper", "store"],
  engine: ["base", "store", "images", "runtime"],
  supervisor: ["base", "proto", "rpc", "ttrpc", "grpc", "transport", "helper", "store", "images", "runtime", "engine"],
};

/** Packages whose sources use no Node built-in. */
const withoutNode = new Set(["base", "proto", "rpc", "ttrpc", "host", "helper/program", "shim", "client", "unpack"]);

/** Those that call C. */
const callsC = new Set(["host", "helper/program", "unpack"]);

/** Libraries that only the named packages may import. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["grpc"],
  pino: ["supervisor"],
  pidusage: ["supervisor"],
  "smol-toml": ["supervisor", "images"],
  undici: ["images"],
};

const builtins = new Set(builtinModules);
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)\s*import\s*"([^"]+)"/g;
const problems: string[] = [];

for (const entry of readdirSync(join(top, "packages"), { withFileTypes: true })) {
  const { name } = entry;
  // Documents alone.
  if (!entry.isDirectory() || name === "docs") continue;
  if (edges[name] === undefined) {
    problems.push(`packages/${name}: is not in the table of scripts/layers.ts`);
    continue;
  }
  const folder = join(top, "packages", name);
  for (const file of readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const path = join(folder, "src", file);
    const at = relative(top, path);
    const below = `${name}/${file.split("/")[0]}`;
    const part = below in edges ? below : name;
    for (const match of readFileSync(path, "utf8").matchAll(importPattern)) {
      const target = match[1] ?? match[2] ?? match[3] ?? "";
      const problem = judge(part, edges[part] ?? [], path, target);
      if (problem !== null) problems.push(`${at}: ${problem}`);
    }
  }
}

function judge(part: string, allowed: readonly string[], path: string, target: string): string | null {
  if (target.startsWith(".")) {
    const [name = "", folder = ""] = part.split("/");
    const inside = !relative(join(top, "packages", name, "src", folder), resolve(dirname(path), target)).startsWith(
      "..",
    );
    return inside ? null : `imports ${target}, outside its own ${folder || "src"}`;
  }
  if (target.startsWith("node:") || builtins.has(target))
    return withoutNode.has(part) ? `imports ${target}: ${part} must run without Node` : null;
  if (target.startsWith("berth:"))
    return callsC.has(part) ? null : `imports ${target}: only ${[...callsC].join(", ")} call C`;
  if (target.startsWith("@berth/")) {
    const other = target.split("/")[1] ?? "";
    return allowed.includes(other)
      ? null
      : `imports ${target}: ${part} may import ${allowed.join(", ") || "no package"}`;
  }
  const library = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : (target.split("/")[0] ?? "");
  const owners = libraries[library];
  if (owners === undefined) return `imports ${target}: the library is not in the table of scripts/layers.ts`;
  return owners.includes(part) ? null : `imports ${target}: only ${owners.join(", ")} may`;
}

/** What is imported for its types alone is not there when a program runs. */
const valueImport = /^(?:import|export)(?! type)\s[^;]*?from\s*"(\.[^"]+)"/gm;

for (const name of Object.keys(edges).filter((each) => !each.includes("/"))) {
  const src = join(top, "packages", name, "src");
  const files = new Map<string, Set<string>>();
  const folders = new Map<string, Set<string>>();
  const folderOf = (file: string): string => (file.includes("/") ? dirname(file) : "");
  for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.startsWith("gen/")) continue;
    const targets = [...readFileSync(join(src, file), "utf8").matchAll(valueImport)].map(([, target = ""]) =>
      relative(src, resolve(src, dirname(file), target)),
    );
    files.set(file, new Set(targets));
    // What lies beside the folders is joined there, or is used by all of them.
    const others = targets.map(folderOf).filter((folder) => folder !== "" && folder !== folderOf(file));
    if (folderOf(file) !== "")
      folders.set(folderOf(file), new Set([...(folders.get(folderOf(file)) ?? []), ...others]));
  }
  for (const circle of [...circlesIn(files), ...circlesIn(folders)])
    problems.push(`packages/${name}/src: a circle of imports: ${circle.join(", ")}`);
}

for (const problem of problems) console.error(problem);
console.log(`layers: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
