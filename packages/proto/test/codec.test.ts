// Our codec against protobufjs' reflection, which reads the same .proto files: random messages both ways.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { DecodeError, Kind, MessageType, message } from "@berth/proto";
import * as engine from "@berth/proto/berth/v1";
import * as events from "@berth/proto/containerd/events";
import * as containers from "@berth/proto/containerd/services/containers/v1";
import * as content from "@berth/proto/containerd/services/content/v1";
import * as images from "@berth/proto/containerd/services/images/v1";
import * as introspection from "@berth/proto/containerd/services/introspection/v1";
import * as leases from "@berth/proto/containerd/services/leases/v1";
import * as snapshots from "@berth/proto/containerd/services/snapshots/v1";
import * as tasks from "@berth/proto/containerd/services/tasks/v1";
import * as task from "@berth/proto/containerd/task/v2";
import * as types from "@berth/proto/containerd/types";
import * as rpc from "@berth/proto/google/rpc";
import * as cgroup1 from "@berth/proto/io/containerd/cgroups/v1";
import * as cgroup2 from "@berth/proto/io/containerd/cgroups/v2";
import * as ttrpc from "@berth/proto/ttrpc";
import fc from "fast-check";
import protobuf from "protobufjs";

type AnyType = MessageType<Record<string, unknown>>;

const allKindsProto = `
syntax = "proto3";
package test;
message All {
  bool bool = 1; int32 int32 = 2; int64 int64 = 3; uint32 uint32 = 4; uint64 uint64 = 5; double double = 6;
  string string = 7; bytes bytes = 8; All message = 9;
  repeated bool bools = 11; repeated int32 int32s = 12; repeated int64 int64s = 13; repeated uint32 uint32s = 14;
  repeated uint64 uint64s = 15; repeated double doubles = 16; repeated string strings = 17;
  repeated bytes bytess = 18; repeated All messages = 2047;
  map<string, string> stringMap = 2048; map<string, int64> int64Map = 70000; map<string, bytes> bytesMap = 536870911;
  map<string, All> messageMap = 30; map<string, bool> boolMap = 31;
}
message Unpacked { repeated uint32 uint32s = 14 [packed = false]; repeated uint64 uint64s = 15 [packed = false]; }
`;
const rows: (string | number | MessageType<object> | null)[] = [];
const All: AnyType = message<Record<string, unknown>>("test.All", rows);
const row = (name: string, number: number, kind: number, ref: AnyType | null = null) =>
  rows.push(name, number, kind, ref);
["bool", "int32", "int64", "uint32", "uint64", "double", "string", "bytes"].forEach((name, kind) => {
  row(name, kind + 1, kind);
  row(`${name}s`, kind + 11, Kind.repeated + kind);
});
row("message", 9, Kind.message, All);
row("messages", 2047, Kind.repeated + Kind.message, All);
row("stringMap", 2048, Kind.map + Kind.string);
row("int64Map", 70000, Kind.map + Kind.int64);
row("bytesMap", 536870911, Kind.map + Kind.bytes);
row("messageMap", 30, Kind.map + Kind.message, All);
row("boolMap", 31, Kind.map + Kind.bool);

const root = new protobuf.Root();
const protoDir = resolve(import.meta.dirname, "../../../proto");
root.resolvePath = (_origin, target) => (target.startsWith("google/protobuf/") ? target : join(protoDir, target));
root.loadSync(readdirSync(protoDir, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".proto")));
protobuf.parse(allKindsProto, root, { keepCase: false });
root.resolveAll();

const modules = [
  engine,
  events,
  containers,
  content,
  images,
  introspection,
  leases,
  snapshots,
  tasks,
  task,
  types,
  rpc,
  cgroup1,
  cgroup2,
  ttrpc,
];
const subjects: readonly AnyType[] = [
  All,
  ...modules.flatMap((module) => Object.values(module) as unknown[]).filter((value) => value instanceof MessageType),
] as AnyType[];

/** The rows of a table as objects. */
function fieldsOf(type: MessageType<object>) {
  const { fields } = type;
  const out: { name: string; kind: number; ref: AnyType | null }[] = [];
  for (let i = 0; i < fields.length; i += 4)
    out.push({ name: fields[i] as string, kind: fields[i + 2] as number, ref: fields[i + 3] as AnyType | null });
  return out;
}

const text = fc.string({ unit: "binary", maxLength: 20 });
const key = text.filter((value) => value !== "__proto__");

function scalar(kind: number, ref: AnyType | null, depth: number): fc.Arbitrary<unknown> {
  switch (kind) {
    case Kind.bool:
      return fc.boolean();
    case Kind.int32:
      return fc.integer();
    case Kind.uint32:
      return fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));
    case Kind.int64:
      return fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(-(2 ** 63), 2 ** 62, -1));
    case Kind.uint64:
      return fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(2n ** 64n - 1n, 2n ** 63n, 1n));
    case Kind.double:
      return fc.double();
    case Kind.string:
      return text;
    case Kind.bytes:
      return fc.uint8Array({ maxLength: 40 });
    default:
      return messageOf(ref as AnyType, depth - 1);
  }
}

function messageOf(type: AnyType, depth = 2): fc.Arbitrary<Record<string, unknown>> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const { name, kind, ref } of fieldsOf(type)) {
    const bare = kind & 15;
    if (bare === Kind.message && depth === 0) continue;
    const one = scalar(bare, ref, depth);
    if (kind & Kind.repeated) fields[name] = fc.array(one, { maxLength: 4 });
    else if (kind & Kind.map) fields[name] = fc.dictionary(key, one, { maxKeys: 3 });
    else fields[name] = one;
  }
  return fc.record(fields, { requiredKeys: [] });
}

function plainScalar(kind: number, ref: AnyType | null, value: unknown): unknown {
  if (kind === Kind.int64) return BigInt(value as number).toString();
  if (kind === Kind.uint64) return (value as bigint).toString();
  if (kind === Kind.bytes) return Buffer.from(value as Uint8Array).toString("base64");
  if (kind === Kind.message) return value === null ? null : plain(ref as AnyType, value as Record<string, unknown>);
  return value;
}

/** A message of ours in the form of protobufjs' toObject, all fields set. Its own Any has a field type_url. */
function plain(type: AnyType, given: Record<string, unknown>): Record<string, unknown> {
  const value = type.create(given);
  const out: Record<string, unknown> = {};
  for (const { name, kind, ref } of fieldsOf(type)) {
    const bare = kind & 15;
    const field = value[name];
    if (name === "typeUrl") out.type_url = field;
    else if (kind & Kind.repeated) out[name] = (field as unknown[]).map((item) => plainScalar(bare, ref, item));
    else if (kind & Kind.map)
      out[name] = Object.fromEntries(
        Object.entries(field as object).map(([entry, item]) => [entry, plainScalar(bare, ref, item)]),
      );
    else out[name] = plainScalar(bare, ref, field);
  }
  return out;
}

const toPlain: protobuf.IConversionOptions = {
  longs: String,
  bytes: String,
  defaults: true,
  arrays: true,
  objects: true,
};
/** Without prototypes and in one order of keys, for comparison. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted((value as never)[name])]),
  );
};

/** Of the quick gate; the long tier has more. */
const factor = process.env.BERTH_LONG ? 10 : 1;
const runs = (type: AnyType) => ({ numRuns: factor * (type === All ? 40 : 2) });

/** Fields with presence (`optional`), which protobufjs leaves out where they are absent, with their defaults. */
const absent = (type: protobuf.Type): Record<string, unknown> =>
  Object.fromEntries(
    type.fieldsArray
      .filter((field) => field.partOf)
      .map((field) => [field.name, field.resolvedType ? null : field.typeDefault]),
  );

describe("the codec, against protobufjs", () => {
  it("knows every kind of field that the .proto files use", () => {
    assert.ok(subjects.length > 150, `${subjects.length} message types`);
  });

  it("writes what protobufjs reads", () => {
    for (const type of subjects) {
      const reference = root.lookupType(type.typeName);
      fc.assert(
        fc.property(messageOf(type), (value) => {
          const theirs = { ...absent(reference), ...reference.toObject(reference.decode(type.encode(value)), toPlain) };
          assert.deepEqual(sorted(theirs), sorted(plain(type, value)), type.typeName);
        }),
        runs(type),
      );
    }
  });

  it("reads what protobufjs writes", () => {
    for (const type of subjects) {
      const reference = root.lookupType(type.typeName);
      fc.assert(
        fc.property(messageOf(type), (value) => {
          const bytes = reference.encode(reference.fromObject(plain(type, value))).finish();
          assert.deepEqual(sorted(plain(type, type.decode(bytes))), sorted(plain(type, value)), type.typeName);
        }),
        runs(type),
      );
    }
  });
});

describe("the codec", () => {
  const encodedAll = messageOf(All, 1).map((value) => ({ value, bytes: All.encode(value) }));
  const decodes = (bytes: Uint8Array): boolean => {
    try {
      All.decode(bytes);
      return true;
    } catch (error) {
      assert.ok(error instanceof DecodeError, `not a DecodeError: ${error}`);
      return false;
    }
  };

  it("throws nothing but DecodeError, wherever a message is cut", () => {
    fc.assert(
      fc.property(encodedAll, ({ bytes }) => {
        for (let length = 0; length < bytes.length; length++) decodes(bytes.subarray(0, length));
        assert.ok(decodes(bytes));
      }),
      { numRuns: factor * 8 },
    );
  });

  it("throws nothing but DecodeError on random and on damaged bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodes(bytes)),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(encodedAll, fc.nat(), fc.nat(255), ({ bytes }, at, byte) => {
        const damaged = bytes.slice();
        if (damaged.length > 0) damaged[at % damaged.length] = byte;
        decodes(damaged);
      }),
      { numRuns: factor * 100 },
    );
  });

  it("skips fields that it does not know, of every wire type", () => {
    const unknown = protobuf.Writer.create();
    unknown.uint32((9999 << 3) | 0).uint64(2 ** 40);
    unknown.uint32((9999 << 3) | 1).double(1.5);
    unknown.uint32((9999 << 3) | 2).bytes(new Uint8Array(300));
    unknown.uint32((9999 << 3) | 5).fixed32(7);
    const extra = unknown.finish();
    fc.assert(
      fc.property(encodedAll, ({ value, bytes }) => {
        const around = new Uint8Array([...extra, ...bytes, ...extra]);
        assert.deepEqual(sorted(plain(All, All.decode(around))), sorted(plain(All, value)));
      }),
      { numRuns: factor * 20 },
    );
  });

  it("reads repeated numbers packed, unpacked and mixed", () => {
    const unpacked = root.lookupType("test.Unpacked");
    const bytes = unpacked
      .encode(unpacked.fromObject({ uint32s: [1, 300], uint64s: ["18446744073709551615"] }))
      .finish();
    const mixed = new Uint8Array([...bytes, ...All.encode({ uint32s: [5], uint64s: [6n] })]);
    const read = All.decode(mixed);
    assert.deepEqual(read.uint32s, [1, 300, 5]);
    assert.deepEqual(read.uint64s, [18446744073709551615n, 6n]);
  });

  it("takes the last of a field that comes twice", () => {
    const twice = new Uint8Array([...All.encode({ string: "a", int32: 1 }), ...All.encode({ string: "b" })]);
    assert.equal(All.decode(twice).string, "b");
    assert.equal(All.decode(twice).int32, 1);
  });

  it("keeps a map's key that names the prototype", () => {
    const entries = Object.create(null) as Record<string, string>;
    const name = "__proto__";
    entries[name] = "x";
    const { stringMap } = All.decode(All.encode({ stringMap: entries }));
    assert.deepEqual(Object.keys(stringMap as object), [name]);
  });

  it("refuses messages that are nested without end, and strings that are not UTF-8", () => {
    let nested: Record<string, unknown> = {};
    for (let i = 0; i < 99; i++) nested = { message: nested };
    assert.ok(decodes(All.encode(nested)));
    for (let i = 0; i < 20; i++) nested = { message: nested };
    assert.throws(() => All.decode(All.encode(nested)), DecodeError);
    assert.throws(() => All.decode(new Uint8Array([0x3a, 1, 0xff])), DecodeError);
  });
});
