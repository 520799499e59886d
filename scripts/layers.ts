// Holds every import against the table of allowed edges: arrows between packages point down only, and the
// packages that also run in the small programs use nothing of Node.
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");

/** package → packages that it may import. */
const edges: Readonly<Record<string, readonly string[]>> = {
  base: [],
  proto: [],
  rpc: ["base", "proto"],
  ttrpc: ["base", "proto", "rpc"],
  transport: ["base", "ttrpc"],
  grpc: ["base", "proto", "rpc"],
  host: ["base", "ttrpc"],
  shim: ["base", "proto", "rpc", "ttrpc", "host"],
  client: ["base", "proto", "rpc", "ttrpc", "host"],
  unpack: ["base", "proto", "host"],
  store: ["base"],
  images: ["base", "store"],
  runtime: ["base", "proto", "rpc", "ttrpc", "transport", "store"],
  supervisor: ["base", "proto", "rpc", "ttrpc", "grpc", "transport", "store", "images", "runtime"],
};

/** Packages whose sources use no Node built-in. */
const withoutNode = new Set(["base", "proto", "rpc", "ttrpc", "host", "shim", "client", "unpack"]);

/** Libraries that only the named packages may import. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["grpc"],
  pino: ["supervisor"],
  pidusage: ["supervisor"],
  "smol-toml": ["supervisor"],
};

const builtins = new Set(builtinModules);
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s*"([^"]+)"|import\(\s*"([^"]+)"\s*\)|(?:^|\n)\s*import\s*"([^"]+)"/g;
const problems: string[] = [];

for (const name of readdirSync(join(top, "packages"))) {
  const allowed = edges[name];
  if (allowed === undefined) {
    problems.push(`packages/${name}: is not in the table of scripts/layers.ts`);
    continue;
  }
  const folder = join(top, "packages", name);
  for (const file of readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const path = join(folder, "src", file);
    const at = relative(top, path);
    for (const match of readFileSync(path, "utf8").matchAll(importPattern)) {
      const target = match[1] ?? match[2] ?? match[3] ?? "";
      const problem = judge(name, allowed, path, target);
      if (problem !== null) problems.push(`${at}: ${problem}`);
    }
  }
}

function judge(name: string, allowed: readonly string[], path: string, target: string): string | null {
  if (target.startsWith(".")) {
    const inside = !relative(join(top, "packages", name, "src"), resolve(dirname(path), target)).startsWith("..");
    return inside ? null : `imports ${target}, outside its own src`;
  }
  if (target.startsWith("node:") || builtins.has(target))
    return withoutNode.has(name) ? `imports ${target}: package ${name} must run without Node` : null;
  if (target.startsWith("berth:")) return name === "host" ? null : `imports ${target}: only host talks to C`;
  if (target.startsWith("@berth/")) {
    const other = target.split("/")[1] ?? "";
    return allowed.includes(other)
      ? null
      : `imports ${target}: ${name} may import ${allowed.join(", ") || "no package"}`;
  }
  const library = target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : (target.split("/")[0] ?? "");
  const owners = libraries[library];
  if (owners === undefined) return `imports ${target}: the library is not in the table of scripts/layers.ts`;
  return owners.includes(name) ? null : `imports ${target}: only ${owners.join(", ")} may`;
}

for (const problem of problems) console.error(problem);
console.log(`layers: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
