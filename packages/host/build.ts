// Builds a program that runs on the host: TypeScript → one ES module → bytecode → one static executable.
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { bundleProgram } from "./bundle.ts";

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
  /** The C library: musl's starts without asking the processor about itself (on a virtual machine some 0.7 ms). */
  readonly libc: "gnu" | "musl";
  readonly compile: readonly string[];
  readonly link: readonly string[];
  /** JS_SetStripInfo: 1 source text, 2 names and lines. */
  readonly strip: number;
  readonly minify: boolean;
}

const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

const variants: Readonly<Record<Variant, VariantSettings>> = {
  release: {
    libc: "musl",
    compile: ["-Os", "-ffunction-sections", "-fdata-sections"],
    link: ["-static", "-no-pie", "-Wl,--gc-sections", "-s"],
    strip: 3,
    minify: true,
  },
  debug: { libc: "musl", compile: ["-Og", "-g"], link: ["-static", "-no-pie"], strip: 0, minify: false },
  asan: {
    libc: "gnu",
    compile: ["-O1", "-g", "-fno-omit-frame-pointer", "-DUNWIND_ON_EXIT", ...sanitizers],
    link: [...sanitizers],
    strip: 1,
    minify: false,
  },
  "gc-stress": {
    libc: "musl",
    compile: ["-Og", "-g", "-DGC_STRESS", "-DUNWIND_ON_EXIT"],
    link: ["-static", "-no-pie"],
    strip: 1,
    minify: false,
  },
};

const warnings = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"];

/** Where the npm package keeps the engine for this machine and C library. */
function engine(libc: "gnu" | "musl"): { library: string; include: string } {
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch as string];
  const manifest = createRequire(import.meta.url).resolve("@suchipi/quickjs/package.json");
  const folder = join(dirname(manifest), `build/${machine}-unknown-linux-${libc === "musl" ? "static" : "gnu"}`);
  if (machine === undefined || !existsSync(folder))
    throw new Error(`there is no engine for ${process.arch}: @suchipi/quickjs has x86_64 and aarch64`);
  return { library: join(folder, "lib/quickjs-core.a"), include: join(folder, "include") };
}

/** The kernel's headers, which come with the other C library's; after musl's own, so that only those are taken. */
const kernelHeaders = [
  "-idirafter",
  "/usr/include",
  "-idirafter",
  `/usr/include/${process.arch === "x64" ? "x86_64" : "aarch64"}-linux-gnu`,
];

async function gcc(libc: "gnu" | "musl", args: readonly string[]): Promise<void> {
  const command = libc === "musl" ? "musl-gcc" : "gcc";
  try {
    await run(command, libc === "musl" ? [...args, ...kernelHeaders] : [...args], { maxBuffer: 16 << 20 });
  } catch (error) {
    const { code, stderr } = error as { code: unknown; stderr?: string };
    if (code === "ENOENT")
      throw new Error(`${command} is not there: install it (apt-get install gcc libc6-dev musl-tools)`);
    throw new Error(`${command} ${args.join(" ")}\n${stderr}`);
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

async function headersIn(folder: string): Promise<Buffer[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".h")).sort();
  return await Promise.all(names.map((name) => readFile(join(folder, name))));
}

/** The C files as objects, compiled again only when one of them, a header or the flags have changed. */
async function compileC(variant: Variant, more: readonly string[] = []): Promise<string[]> {
  const folder = join(here, "c");
  const names = (await readdir(folder)).sort();
  const headers = await headersIn(folder);
  const { libc, compile } = variants[variant];
  const { include } = engine(libc);
  const flags = [...warnings, ...compile, "-I", folder, "-isystem", include];
  const results: string[] = [];
  const own = names.filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  for (const path of [...own, ...more]) {
    const beside = dirname(path) === folder ? [] : await headersIn(dirname(path));
    const key = hashOf(await readFile(path), ...headers, ...beside, libc, flags.join(" "));
    const object = join(objects, variant, `${basename(path, ".c")}-${key}.o`);
    results.push(await cached(object, (out) => gcc(libc, [...flags, "-c", path, "-o", out])));
  }
  return results;
}

/** The tool that turns a module into bytecode. */
async function compiler(): Promise<string> {
  const source = join(here, "c/tool/compile.c");
  const { library, include } = engine("gnu");
  const path = join(objects, `compile-${hashOf(await readFile(source), library)}`);
  return cached(path, (out) =>
    gcc("gnu", [...warnings, "-O1", "-isystem", include, source, library, "-lm", "-lpthread", "-o", out]),
  );
}

/** The bytecode as data: see c/units.c. */
function programSource(folder: string, count: number): string {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const data = numbers.map(
    (number) =>
      `.balign 8\\ncode${number}_start: .incbin \\"${join(folder, String(number))}.bin\\"\\ncode${number}_end: .byte 0\\n`,
  );
  return `#include "${join(here, "c/program.h")}"
__asm__(".pushsection .rodata\\n${data.join("")}.popsection\\n");
extern const uint8_t ${numbers.map((number) => `code${number}_start[], code${number}_end[]`).join(", ")};
const struct bytecode program[] = {${numbers.map((number) => `{code${number}_start, code${number}_end}`).join(", ")}};
const int program_count = ${count};
`;
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
    const [tool, compiled] = [await compiler(), await compileC(variant, options.moreC)];
    const inject = ["error-cause.ts", "index.ts"].map((name) => join(here, "src/globals", name));
    const { main, units } = await bundleProgram({ ...options, inject, minify: settings.minify });
    // The names under which stack traces of debug builds have them.
    const parts = [
      { what: name, file: options.entry, text: main },
      ...units.map(({ file, source }) => ({ what: basename(file, ".ts"), file, text: source })),
    ];
    const compiledParts = parts.map(async ({ what, file, text }, number) => {
      const script = join(work, `${number}.js`);
      await writeFile(script, text);
      const args = [script, join(work, `${number}.bin`), what, String(settings.strip)];
      await run(tool, args).catch((error: { stderr?: string }) => {
        throw new Error(`cannot compile ${file} for the engine:\n${error.stderr ?? error}`);
      });
    });
    await Promise.all(compiledParts);
    const source = join(work, "program.c");
    await writeFile(source, programSource(work, parts.length));
    const executable = join(outDir, `.${name}.${randomUUID()}`);
    const { library } = engine(settings.libc);
    await gcc(settings.libc, [...settings.link, source, ...compiled, library, "-lm", "-lpthread", "-o", executable]);
    const path = join(outDir, name);
    await rename(executable, path);
    return path;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
