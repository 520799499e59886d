// Finds what nobody uses: exported values that no other file imports, types that nothing mentions, and dependencies that
// are declared and not imported. A type that an exported function takes or gives is a part of what it says.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");
const packages = readdirSync(join(top, "packages")).filter((name) =>
  existsSync(join(top, "packages", name, "package.json")),
);

/** Programs, what takes the place of Node's modules, and the vocabulary of the wire, of which nobody uses all. */
const isEntry = (path: string): boolean => /\/(gen|build|bench|test-runner)\b|\/(main|build)\.ts$/.test(path);

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
        .map((file) => join(folder, file))
    : [];
const sources = packages.flatMap((name) => filesBelow(join(top, "packages", name)));
const all = [...sources, ...filesBelow(join(top, "test")), ...filesBelow(join(top, "scripts"))];

interface Module {
  /** What it declares and exports. */
  readonly own: Map<string, "type" | "value">;
  readonly text: string;
  /** Names that it exports out of another module, by the name there. */
  readonly passedOn: { readonly name: string; readonly as: string; readonly from: string }[];
  /** Modules all of whose exports it passes on. */
  readonly stars: string[];
  readonly imports: { readonly name: string; readonly from: string }[];
}

const declaration =
  /^export (?:declare )?(?:abstract )?(?:async )?(const|let|function\*?|class|interface|type|enum) (\w+)/gm;
const clause =
  /^(import|export)(?: type)?\s+(\{[^}]*\}|\*(?: as \w+)?|\w+)(?:\s*,\s*(\{[^}]*\}))?\s+from\s+"([^"]+)"/gm;
const dynamic = /import\(\s*"([^"]+)"\s*\)/g;

function target(path: string, specifier: string): string {
  if (specifier.startsWith(".")) return resolve(dirname(path), specifier);
  if (!specifier.startsWith("@berth/")) return specifier;
  const [, name = "", ...below] = specifier.split("/");
  const { exports } = JSON.parse(readFileSync(join(top, "packages", name, "package.json"), "utf8"));
  const wanted = below.length === 0 ? "." : `./${below.join("/")}`;
  const found = exports[wanted] ?? exports["./*"]?.replace("*", below.join("/")) ?? "";
  return join(top, "packages", name, found);
}

const namesIn = (list: string): [name: string, as: string][] =>
  list
    .slice(1, -1)
    .split(",")
    .map((item) => item.replace(/^\s*type\s+/, "").trim())
    .filter((item) => item !== "")
    .map((item) => item.split(/\s+as\s+/))
    .map(([name = "", as = name]) => [name, as]);

const libraries = new Map<string, Set<string>>();
function parse(path: string): Module {
  const text = readFileSync(path, "utf8");
  const found: Module = { own: new Map(), text, passedOn: [], stars: [], imports: [] };
  for (const [, kind = "", name = ""] of text.matchAll(declaration))
    found.own.set(name, kind === "interface" || kind === "type" ? "type" : "value");
  for (const [, kind, first = "", second = "", specifier = ""] of text.matchAll(clause)) {
    const from = target(path, specifier);
    note(path, specifier);
    for (const list of [first, second]) {
      if (list.startsWith("*")) {
        if (kind === "export") found.stars.push(from);
        else found.imports.push({ name: "*", from });
      }
      if (!list.startsWith("{")) continue;
      for (const [name, as] of namesIn(list))
        if (kind === "export") found.passedOn.push({ name, as, from });
        else found.imports.push({ name, from });
    }
  }
  for (const [, specifier = ""] of text.matchAll(dynamic)) {
    found.imports.push({ name: "*", from: target(path, specifier) });
    note(path, specifier);
  }
  for (const [, specifier = ""] of text.matchAll(/^import "([^"]+)"/gm)) note(path, specifier);
  return found;
}

/** Of which package a library is used. */
function note(path: string, specifier: string): void {
  const [first = "", second = ""] = specifier.split("/");
  const library = first.startsWith("@") ? `${first}/${second}` : first;
  const [area = "", name = ""] = relative(top, path).split("/");
  const user = area === "packages" ? `packages/${name}` : ".";
  for (const where of [user, "."]) libraries.set(where, (libraries.get(where) ?? new Set()).add(library));
}

const modules = new Map(all.map((path) => [path, parse(path)]));
const used = new Set<string>();

function use(path: string, name: string): void {
  const key = `${path}#${name}`;
  const found = modules.get(path);
  if (found === undefined || used.has(key)) return;
  used.add(key);
  for (const { name: there, as, from } of found.passedOn) if (name === "*" || as === name) use(from, there);
  if (!found.own.has(name)) for (const star of found.stars) use(star, name);
}

for (const { imports } of modules.values()) for (const { name, from } of imports) use(from, name);

/** Where a name is declared that a module passes on. */
function isType(path: string, name: string): boolean {
  const found = modules.get(path);
  const passed = found?.passedOn.find(({ as }) => as === name);
  if (passed !== undefined) return isType(passed.from, passed.name);
  return found?.own.get(name) === "type";
}

const problems: string[] = [];
for (const path of sources) {
  const found = modules.get(path);
  if (found === undefined || isEntry(path) || used.has(`${path}#*`)) continue;
  const isUsed = (name: string): boolean => used.has(`${path}#${name}`);
  for (const [name, kind] of found.own) {
    const isMentioned = kind === "type" && found.text.split(new RegExp(`\\b${name}\\b`)).length > 2;
    if (!isUsed(name) && !isMentioned) problems.push(`${relative(top, path)}: nobody imports ${name}`);
  }
  for (const { as } of found.passedOn)
    if (!isUsed(as) && !isType(path, as)) problems.push(`${relative(top, path)}: nobody imports ${as}`);
}

/** Tools that are run by name, and what is linked. */
const tools = new Set(["node", "typescript", "@biomejs/biome", "@types/node", "@suchipi/quickjs"]);
for (const where of [".", ...packages.map((name) => `packages/${name}`)]) {
  const path = join(top, where, "package.json");
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(path, "utf8"));
  for (const name of Object.keys({ ...dependencies, ...devDependencies }))
    if (!tools.has(name) && libraries.get(where)?.has(name) !== true)
      problems.push(`${relative(top, path)}: ${name} is declared and not used`);
}

for (const problem of problems) console.log(problem);
console.log(`unused: ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
