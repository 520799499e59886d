// Builds a program that runs on the host: TypeScript → one ES module → bytecode → one static executable.
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { build as bundle, type Plugin } from "esbuild";

const run = promisify(execFile);
const here = import.meta.dirname;
const top = resolve(here, "../..");
const objects = join(top, "dist/obj");

export type Variant = "release" | "debug" | "asan" | "gc-stress";

export interface ProgramOptions {
  /** The program's main module. */
  entry: string;
  /** Name of the executable. */
  name: string;
  /** Where the executable goes; default dist/bin for release, dist/VARIANT for the others. */
  outDir?: string;
  variant: Variant;
  /** Modules to take in place of others: `node:test` by the test runner's. */
  alias?: Readonly<Record<string, string>>;
  /** Files that are imported for what they do, whatever their package says about side effects: test files. */
  keepWhole?: readonly string[];
  /** C files besides those of the host. */
  moreC?: readonly string[];
}

interface VariantSettings {
  readonly compile: readonly string[];
  readonly link: readonly string[];
  /** JS_SetStripInfo: 1 source text, 2 names and lines. */
  readonly strip: number;
  readonly minify: boolean;
}

const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

const variants: Readonly<Record<Variant, VariantSettings>> = {
  release: {
    compile: ["-Os", "-ffunction-sections", "-fdata-sections"],
    link: ["-static", "-no-pie", "-Wl,--gc-sections", "-s"],
    strip: 3,
    minify: true,
  },
  debug: { compile: ["-Og", "-g"], link: ["-static", "-no-pie"], strip: 0, minify: false },
  asan: {
    compile: ["-O1", "-g", "-fno-omit-frame-pointer", "-DUNWIND_ON_EXIT", ...sanitizers],
    link: [...sanitizers],
    strip: 1,
    minify: false,
  },
  "gc-stress": {
    compile: ["-Og", "-g", "-DGC_STRESS", "-DUNWIND_ON_EXIT"],
    link: ["-static", "-no-pie"],
    strip: 1,
    minify: false,
  },
};

const warnings = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"];

/** Where the npm package keeps the engine for this machine. */
function engine(): { library: string; include: string } {
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
  const manifest = createRequire(import.meta.url).resolve("@suchipi/quickjs/package.json");
  const folder = join(dirname(manifest), `build/${machine}-unknown-linux-gnu`);
  if (machine === undefined || !existsSync(folder))
    throw new Error(`there is no engine for ${process.arch}: @suchipi/quickjs has x86_64 and aarch64`);
  return { library: join(folder, "lib/quickjs-core.a"), include: join(folder, "include") };
}

async function gcc(args: readonly string[]): Promise<void> {
  try {
    await run("gcc", [...args], { maxBuffer: 16 << 20 });
  } catch (error) {
    const { code, stderr } = error as { code: unknown; stderr?: string };
    if (code === "ENOENT") throw new Error("gcc is not there: install it (apt-get install gcc libc6-dev)");
    throw new Error(`gcc ${args.join(" ")}\n${stderr}`);
  }
}

/** Makes the file unless one of that name is there; names carry a hash of all that goes in. Safe side by side. */
async function cached(path: string, make: (temporary: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${randomUUID()}${basename(path).slice(basename(path).indexOf("."))}`);
  await make(temporary);
  await rename(temporary, path);
  return path;
}

const hashOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 16);
};

/** The C files as objects, compiled again only when one of them, a header or the flags have changed. */
async function compileC(variant: Variant, more: readonly string[] = []): Promise<string[]> {
  const folder = join(here, "c");
  const names = (await readdir(folder)).sort();
  const headers = await Promise.all(
    names.filter((name) => name.endsWith(".h")).map((name) => readFile(join(folder, name))),
  );
  const { include } = engine();
  const flags = [...warnings, ...variants[variant].compile, "-I", folder, "-isystem", include];
  const results: string[] = [];
  const own = names.filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  for (const path of [...own, ...more]) {
    const key = hashOf(await readFile(path), ...headers, flags.join(" "));
    const object = join(objects, variant, `${basename(path, ".c")}-${key}.o`);
    results.push(await cached(object, (out) => gcc([...flags, "-c", path, "-o", out])));
  }
  return results;
}

/** The tool that turns a module into bytecode. */
async function compiler(): Promise<string> {
  const source = join(here, "c/tool/compile.c");
  const { library, include } = engine();
  const path = join(objects, `compile-${hashOf(await readFile(source), library)}`);
  return cached(path, (out) =>
    gcc([...warnings, "-O1", "-isystem", include, source, library, "-lm", "-lpthread", "-o", out]),
  );
}

const builtIn = /^node:|^(assert|buffer|child_process|crypto|events|fs|net|os|path|stream|util)(\/|$)/;

/** Refuses what does not exist on the host, by name, with the importing file; takes aliases first. */
const hostModules = (options: ProgramOptions): Plugin => ({
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

async function bundleModule(options: ProgramOptions, settings: VariantSettings): Promise<Uint8Array> {
  const result = await bundle({
    entryPoints: [resolve(options.entry)],
    inject: ["error-cause.ts", "index.ts"].map((name) => join(here, "src/globals", name)), // evaluated before the entry
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    // What the engine knows itself; only `using` is lowered. (An older target would turn private fields into weak maps.)
    target: "es2023",
    mainFields: ["module", "main"],
    conditions: ["import"],
    external: ["berth:native"],
    minifyIdentifiers: settings.minify,
    minifySyntax: settings.minify,
    keepNames: false,
    legalComments: "none",
    plugins: [hostModules(options)],
    logLevel: "silent",
  }).catch((error: { errors?: readonly { text: string; location?: { file: string; line: number } | null }[] }) => {
    const lines = (error.errors ?? []).map(
      (one) => `${one.location?.file ?? ""}:${one.location?.line ?? ""} ${one.text}`,
    );
    throw new Error(lines.length > 0 ? `cannot bundle ${options.entry}:\n${lines.join("\n")}` : String(error));
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error(`esbuild gave no output for ${options.entry}`);
  return file.contents;
}

/** Builds the program and returns the executable's path. */
export async function buildProgram(options: ProgramOptions): Promise<string> {
  const { name, variant } = options;
  const settings = variants[variant];
  const outDir = options.outDir ?? join(top, "dist", variant === "release" ? "bin" : variant);
  const work = join(objects, `.work-${randomUUID()}`);
  await mkdir(work, { recursive: true });
  await mkdir(outDir, { recursive: true });
  try {
    const compiled = await compileC(variant, options.moreC);
    const [tool, module] = [await compiler(), await bundleModule(options, settings)];
    const script = join(work, `${name}.js`);
    const bytecode = join(work, `${name}.bin`);
    const source = join(work, "program.c");
    await writeFile(script, module);
    await run(tool, [script, bytecode, name, String(settings.strip)]).catch((error: { stderr?: string }) => {
      throw new Error(`cannot compile ${options.entry} for the engine:\n${error.stderr ?? error}`);
    });
    await writeFile(
      source,
      `__asm__(".pushsection .rodata\\n.globl program_start, program_end\\n.balign 16\\nprogram_start:\\n.incbin \\"${bytecode}\\"\\nprogram_end:\\n.byte 0\\n.popsection\\n");\n`,
    );
    const executable = join(outDir, `.${name}.${randomUUID()}`);
    const { library } = engine();
    await gcc([...settings.link, source, ...compiled, library, "-lm", "-lpthread", "-o", executable]);
    const path = join(outDir, name);
    await rename(executable, path);
    return path;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
