// Generates packages/proto/src/gen from proto/: for each .proto file a module with a type and a table
// a message, and a description a service. `--check` writes nothing and fails where a file would change.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import protobuf from "protobufjs";
import { Kind } from "../packages/proto/src/codec.ts";

const top = resolve(import.meta.dirname, "..");
const protoDir = join(top, "proto");
const outDir = join(top, "packages/proto/src/gen");
const wellKnown = ["any", "empty", "field_mask", "timestamp"].map((name) => `google/protobuf/${name}.proto`);

const files = readdirSync(protoDir, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".proto"))
  .sort();
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("google/protobuf/") ? target : resolve(protoDir, target));
root.loadSync([...wellKnown, ...files]);
root.resolveAll();

/** Module path (below gen, without ending) of the package that an object is in. */
function moduleOf(object: protobuf.ReflectionObject): string {
  let at: protobuf.ReflectionObject | null = object;
  while (at instanceof protobuf.Type || at instanceof protobuf.Enum || at instanceof protobuf.Service) at = at.parent;
  return (at as protobuf.Namespace).fullName.slice(1).replaceAll(".", "/");
}

/** Name inside its module: nested messages are joined with an underscore. */
function localName(object: protobuf.ReflectionObject): string {
  return object.parent instanceof protobuf.Type ? `${localName(object.parent)}_${object.name}` : object.name;
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

interface Module {
  types: protobuf.Type[];
  enums: protobuf.Enum[];
  services: protobuf.Service[];
  imports: Map<string, Set<string>>;
}
const modules = new Map<string, Module>();
const wanted = new Set(["Any", "Timestamp", "Empty", "FieldMask"].map((name) => `.google.protobuf.${name}`));

(function visit(object: protobuf.ReflectionObject) {
  const isDefinition =
    object instanceof protobuf.Type || object instanceof protobuf.Enum || object instanceof protobuf.Service;
  if (isDefinition && (!object.fullName.startsWith(".google.protobuf.") || wanted.has(object.fullName))) {
    const path = moduleOf(object);
    const module: Module = modules.get(path) ?? { types: [], enums: [], services: [], imports: new Map() };
    modules.set(path, module);
    if (object instanceof protobuf.Type) module.types.push(object);
    else if (object instanceof protobuf.Enum) module.enums.push(object);
    else module.services.push(object);
  }
  if (object instanceof protobuf.Namespace) for (const child of object.nestedArray) visit(child);
})(root);

function emit(path: string, module: Module): string {
  const use = (object: protobuf.ReflectionObject): string => {
    const from = moduleOf(object);
    const name = localName(object);
    if (from === path) return name;
    const names = module.imports.get(from) ?? new Set();
    module.imports.set(from, names);
    const taken = module.types.some((type) => localName(type) === name);
    const local = taken ? `${name}_${from.split("/").at(-1)}` : name;
    names.add(taken ? `${name} as ${local}` : name);
    return local;
  };
  const body: string[] = [];

  for (const item of module.enums) {
    const values = Object.entries(item.values).map(([name, value]) => `  ${name}: ${value},`);
    body.push(`export const ${localName(item)} = {\n${values.join("\n")}\n} as const;`);
    body.push(`export type ${localName(item)} = number;\n`);
  }

  const done = new Set<protobuf.Type>();
  const emitType = (type: protobuf.Type): void => {
    if (done.has(type)) return;
    done.add(type);
    const members: string[] = [];
    const table: string[] = [];
    for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
      const ref = field.resolvedType;
      if (ref instanceof protobuf.Type && moduleOf(ref) === path) emitType(ref);
      const name = camel(field.name);
      let kind: number;
      let ts: string;
      let table4 = "null";
      if (ref instanceof protobuf.Type) {
        kind = Kind.message;
        table4 = use(ref);
        ts = table4;
      } else if (ref instanceof protobuf.Enum) {
        kind = Kind.int32;
        ts = "number";
      } else {
        const scalars: Record<string, string> = {
          bool: "boolean",
          int32: "number",
          int64: "number",
          uint32: "number",
          uint64: "bigint",
          double: "number",
          string: "string",
          bytes: "Uint8Array",
        };
        const scalar = scalars[field.type];
        if (scalar === undefined) throw new Error(`${field.fullName}: type ${field.type} is not supported`);
        kind = Kind[field.type as keyof typeof Kind];
        ts = scalar;
      }
      if (field instanceof protobuf.MapField) {
        if (field.keyType !== "string") throw new Error(`${field.fullName}: map keys must be strings`);
        members.push(`  ${name}: Record<string, ${ts}>;`);
        kind += Kind.map;
      } else if (field.repeated) {
        members.push(`  ${name}: ${ts}[];`);
        kind += Kind.repeated;
      } else members.push(`  ${name}: ${ref instanceof protobuf.Type ? `${ts} | null` : ts};`);
      table.push(`  "${name}", ${field.id}, ${kind}, ${table4},`);
    }
    const name = localName(type);
    const about = type.comment ? `/** ${type.comment.replace(/\n/g, " ")} */\n` : "";
    body.push(
      `${about}export interface ${name} {\n${members.join("\n")}\n}`,
      `export const ${name} = /* @__PURE__ */ message<${name}>("${type.fullName.slice(1)}", [\n${table.join("\n")}\n]);\n`,
    );
  };
  for (const type of module.types) emitType(type);

  const shapes = new Set<string>();
  for (const item of module.services) {
    const methods = item.methodsArray.map((method) => {
      method.resolve();
      const shape = method.requestStream
        ? method.responseStream
          ? "bidiStreaming"
          : "clientStreaming"
        : method.responseStream
          ? "serverStreaming"
          : "unary";
      shapes.add(shape);
      const local = method.name.charAt(0).toLowerCase() + method.name.slice(1);
      const input = use(method.resolvedRequestType as protobuf.Type);
      const output = use(method.resolvedResponseType as protobuf.Type);
      return `  ${local}: /* @__PURE__ */ ${shape}("${method.name}", ${input}, ${output}),`;
    });
    const name = module.types.some((type) => localName(type) === item.name) ? `${item.name}Service` : item.name;
    body.push(
      `export const ${name} = /* @__PURE__ */ service("${item.fullName.slice(1)}", {\n${methods.join("\n")}\n});\n`,
    );
  }

  const up = relative(dirname(join("gen", path)), ".") || ".";
  const head = [
    `// Generated by scripts/generate.ts from proto/${path}.proto. Do not edit. A row: name, number, Kind, message.`,
  ];
  if (module.types.length > 0) head.push(`import { message } from "${up}/codec.ts";`);
  if (shapes.size > 0) head.push(`import { ${[...shapes, "service"].sort().join(", ")} } from "${up}/service.ts";`);
  for (const [from, names] of [...module.imports].sort()) {
    const folder = relative(dirname(path), dirname(from));
    let target = join(folder, basename(from));
    if (!target.startsWith(".")) target = `./${target}`;
    head.push(`import { ${[...names].sort().join(", ")} } from "${target}.ts";`);
  }
  return `${`${head.join("\n")}\n\n${body.join("\n")}`.trimEnd()}\n`;
}

const check = process.argv.includes("--check");
const fresh = new Map<string, string>();
for (const [path, module] of [...modules].sort()) fresh.set(`${path}.ts`, emit(path, module));

const onDisk = new Set(
  (() => {
    try {
      return readdirSync(outDir, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  })(),
);
const stale: string[] = [];
for (const [file, text] of fresh)
  if (!onDisk.has(file) || readFileSync(join(outDir, file), "utf8") !== text) stale.push(file);
for (const file of onDisk) if (!fresh.has(file)) stale.push(file);

if (check) {
  for (const file of stale) console.error(`packages/proto/src/gen/${file} is not what proto/ says: npm run generate`);
  process.exit(stale.length === 0 ? 0 : 1);
}
for (const file of stale) {
  const target = join(outDir, file);
  const text = fresh.get(file);
  if (text === undefined) rmSync(target);
  else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
console.log(`generated ${fresh.size} modules, ${stale.length} changed`);
