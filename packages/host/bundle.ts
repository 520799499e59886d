// TypeScript to what the engine compiles: a main part with what a program always needs, and units with what it needs at
// times.
//
// A unit begins at an `import()` in the sources. It is a function from the main part's exports to those of its file, so
// that (unlike a module, which the engine keeps for good) it can be let go of and evaluated again; the main part is a
// function too, and only what it has made stays: see c/units.c.
//
// Units take from the main part what must be there once: files with state or classes, and what the entry imports itself.
// Of other files each part has what it needs, so that the main part need not carry for them what it does not use.
import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { type BuildResult, build, type OnResolveArgs, type OutputFile, type Plugin } from "esbuild";

export interface BundleOptions {
  readonly entry: string;
  /** Modules to take in place of others. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Files that are imported for what they do, whatever their package says about side effects. */
  readonly keepWhole?: readonly string[];
  /** Evaluated before the entry. */
  readonly inject: readonly string[];
  readonly minify: boolean;
}

export interface Bundle {
  readonly main: string;
  /** By the number that the main part and the units call them by. */
  readonly units: readonly { readonly file: string; readonly source: string }[];
}

const top = resolve(import.meta.dirname, "../..");
const builtIn = /^node:|^(assert|buffer|child_process|crypto|events|fs|net|os|path|stream|util)(\/|$)/;
const MAIN = "main:";
const UNIT = "unit:";

/** Refuses what does not exist on the host, by name, with the importing file; takes aliases first. */
const hostModules = (options: BundleOptions): Plugin => ({
  name: "host-modules",
  setup(build) {
    build.onResolve({ filter: builtIn }, ({ path, importer }) => {
      const alias = options.alias?.[path];
      if (alias !== undefined) return { path: alias };
      const text = `${path} is part of Node and not there on the host: use @berth/host (imported by ${importer})`;
      return { errors: [{ text }] };
    });
    const whole = new Set(options.keepWhole);
    build.onResolve({ filter: /^\// }, ({ path }) => (whole.has(path) ? { path, sideEffects: true } : null));
  },
});

/** Leaves `import()` to the host, and what the main part has for all to it. */
const outside = (shared: ReadonlySet<string>, found: (unit: string) => void): Plugin => ({
  name: "outside",
  setup(build) {
    const asking = Symbol();
    build.onResolve({ filter: /^[.@/]/ }, async ({ path, ...args }: OnResolveArgs) => {
      if (args.pluginData === asking || args.kind === "entry-point") return null;
      const result = await build.resolve(path, { ...args, pluginData: asking });
      if (result.errors.length > 0) return { errors: result.errors };
      if (args.kind === "dynamic-import") {
        found(result.path);
        return { path: UNIT + result.path, external: true };
      }
      return shared.has(result.path) ? { path: MAIN + result.path, external: true } : null;
    });
  },
});

type Result = BuildResult<{ metafile: true; write: false }>;

async function esbuild(
  options: BundleOptions,
  input: object,
  plugin: Plugin,
  inject: readonly string[],
): Promise<Result> {
  try {
    return await build({
      ...input,
      inject: [...inject],
      bundle: true,
      write: false,
      metafile: true,
      absWorkingDir: top,
      format: "esm",
      platform: "neutral",
      // What the engine knows itself; only `using` is lowered. (An older target would turn private fields into weak maps.)
      target: "es2023",
      mainFields: ["module", "main"],
      conditions: ["import"],
      external: ["berth:native"],
      minifyIdentifiers: options.minify,
      minifySyntax: options.minify,
      keepNames: false,
      legalComments: "none",
      plugins: [plugin, hostModules(options)],
      logLevel: "silent",
    });
  } catch (error) {
    const { errors = [] } = error as {
      errors?: readonly { text: string; location?: { file: string; line: number } | null }[];
    };
    const lines = errors.map((one) => `${one.location?.file ?? ""}:${one.location?.line ?? ""} ${one.text}`);
    throw new Error(lines.length > 0 ? `cannot bundle ${options.entry}:\n${lines.join("\n")}` : String(error));
  }
}

function outputOf(result: Result): OutputFile {
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error("esbuild gave no output");
  return file;
}

/** Files of which something is in the output. */
function filesOf(result: Result): string[] {
  const [output] = Object.values(result.metafile.outputs);
  return Object.entries(output?.inputs ?? {})
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => resolve(top, path));
}

const importLine = /^import \{([^}]*)\} from "([^"]+)";$/gm;
const exportLine = /^export \{([^}]*)\};$/gm;
const namesIn = (list: string): string[][] =>
  list
    .split(",")
    .map((entry) => entry.trim().split(" as "))
    .filter(([name]) => name !== "");

/** Names that units take from the main part: file and export. */
type Needs = Map<string, Set<string>>;

function addNeeds(needs: Needs, source: string): void {
  for (const [, list = "", from = ""] of source.matchAll(importLine)) {
    if (!from.startsWith(MAIN)) continue;
    const names = needs.get(from.slice(MAIN.length)) ?? new Set();
    needs.set(from.slice(MAIN.length), names);
    for (const [name = ""] of namesIn(list)) names.add(name);
  }
}

/** What is declared with `let`, or is made, outside of all functions. */
const state =
  /^(?:export )?(?:let \w|(?:const|var) \w+(?:: [^=]+)? = (?:\[\];|\{\};|new (?!Text(?:En|De)coder|Uint8Array)))/m;
/** Made of what stands there, and never changed. */
const constant = /^(?:export )?const \w+(?:: [^=]+)? = new (?:RegExp\b|(?:Set|Map)\(\[)/gm;

const classes = /^(?:export )?(?:abstract )?class \w+/m;

const stateIn = (source: string): string | undefined => state.exec(source)?.[0];

/** A unit is evaluated anew each time that it was let go of, and two of them may hold the same file. */
async function refuseState(unit: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const found = stateIn((await readFile(file, "utf8")).replaceAll(constant, ""));
    if (found !== undefined)
      throw new Error(
        `${relative(top, file)} keeps state (${found.trim()}) and is only in the unit ${relative(top, unit)}: import it from the main part too`,
      );
  }
}

/** Large, and in most units: without state, but not worth having twice. */
const oftenUsed = resolve(import.meta.dirname, "src/file-contents.ts");

/** Files of the main part that units take from it. */
async function sharedOf(result: Result, entries: readonly string[]): Promise<Set<string>> {
  const imports = entries.flatMap((entry) => result.metafile.inputs[relative(top, entry)]?.imports ?? []);
  const ofEntry = new Set(imports.map(({ path }) => resolve(top, path)));
  const out = new Set<string>();
  for (const file of filesOf(result)) {
    if (file.endsWith("/program")) continue;
    const source = await readFile(file, "utf8");
    if (ofEntry.has(file) || file === oftenUsed || classes.test(source) || stateIn(source) !== undefined) out.add(file);
  }
  return out;
}

interface Unit {
  readonly file: string;
  readonly source: string;
}

/** All units, those that only units ask for too, in a fixed order. */
async function unitsOf(
  options: BundleOptions,
  first: ReadonlySet<string>,
  shared: ReadonlySet<string>,
): Promise<Unit[]> {
  const known = new Set<string>();
  const all: Promise<Unit>[] = [];
  const make = async (file: string): Promise<Unit> => {
    const result = await esbuild(options, { entryPoints: [file] }, outside(shared, add), []);
    await refuseState(file, filesOf(result));
    return { file, source: outputOf(result).text };
  };
  const add = (file: string): void => {
    if (known.has(file)) return;
    known.add(file);
    all.push(make(file));
  };
  for (const file of first) add(file);
  const units: Unit[] = [];
  for (const unit of all) units.push(await unit); // grows while it goes on
  return units.sort((a, b) => (a.file < b.file ? -1 : 1));
}

export async function bundleProgram(options: BundleOptions): Promise<Bundle> {
  const entry = resolve(options.entry);
  const whole = { ...options, keepWhole: [...(options.keepWhole ?? []), entry] };
  let needs: Needs = new Map();
  let before = { shared: "", units: [] as Unit[] };
  for (let round = 0; round < 8; round++) {
    const order = [...needs].sort(([a], [b]) => (a < b ? -1 : 1));
    const exportNames = new Map<string, string>();
    const lines = order.flatMap(([file, names]) =>
      [...names].sort().map((name) => {
        const as = `m${exportNames.size}`;
        exportNames.set(`${file}#${name}`, as);
        return `export { ${name} as ${as} } from ${JSON.stringify(file)};`;
      }),
    );
    lines.push(`import ${JSON.stringify(entry)};`, `export * from ${JSON.stringify(entry)};`);
    const stdin = { contents: lines.join("\n"), resolveDir: top, sourcefile: "program" };
    const asked = new Set<string>();
    const plugin = outside(new Set(), (file) => void asked.add(file));
    const mainResult = await esbuild(whole, { stdin }, plugin, options.inject);
    const shared = await sharedOf(mainResult, whole.keepWhole);
    const key = [...shared].sort().join();
    const units = round > 0 && key === before.shared ? before.units : await unitsOf(options, asked, shared);
    const next: Needs = new Map();
    for (const { source } of units) addNeeds(next, source);
    if (sameNeeds(needs, next)) {
      const numbers = new Map(units.map(({ file }, number) => [file, number]));
      return {
        main: asFunction(entry, outputOf(mainResult).text, exportNames, numbers),
        units: units.map(({ file, source }) => ({ file, source: asFunction(file, source, exportNames, numbers) })),
      };
    }
    before = { shared: key, units };
    needs = next;
  }
  throw new Error(`${options.entry}: what its units need of the main part does not settle`);
}

function sameNeeds(a: Needs, b: Needs): boolean {
  const flat = (needs: Needs) => [...needs].flatMap(([file, names]) => [...names].map((name) => `${file}#${name}`));
  return flat(a).sort().join() === flat(b).sort().join();
}

const withUnitCalls = (source: string, numbers: ReadonlyMap<string, number>): string =>
  source.replace(/\bimport\("unit:([^"]+)"\)/g, (_, file: string) => `berthUnit(${numbers.get(file)})`);

function asFunction(
  file: string,
  source: string,
  exportNames: ReadonlyMap<string, string>,
  numbers: ReadonlyMap<string, number>,
): string {
  const body = withUnitCalls(source, numbers)
    .replace(importLine, (_, list: string, from: string) => {
      const names = namesIn(list).map(([name = "", local = name]) => {
        const key = from.startsWith(MAIN) ? exportNames.get(`${from.slice(MAIN.length)}#${name}`) : name;
        return `${key}: ${local}`;
      });
      return `const { ${names.join(", ")} } = ${from.startsWith(MAIN) ? "$main" : "$native"};`;
    })
    .replace(exportLine, (_, list: string) => {
      const names = namesIn(list).map(([local = "", name = local]) => `${name}: ${local}`);
      return `return { ${names.join(", ")} };`;
    });
  const left = /^(?:import|export) .*$/m.exec(body)?.[0];
  if (left !== undefined) throw new Error(`${relative(top, file)}: a program cannot have: ${left}`);
  // One with nothing to export has no export line.
  return `(function ($main, $native) {\n"use strict";\n${body}\nreturn {};\n})`;
}
