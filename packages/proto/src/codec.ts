// The protobuf wire format (https://protobuf.dev/programming-guides/encoding/), driven by one flat
// table a message. Tables instead of a function a message keep the small programs small: a shim carries
// some fifty messages, and a table costs it a tenth of the bytecode of straight-line code.
//
// 64-bit integers: int64 is a JavaScript number (times, sizes and offsets; exact up to 2^53, nearest
// above), uint64 is a bigint (cgroup limits use all 64 bits). Absent messages are null.

/** Scalar kinds, as they stand in the generated tables. */
export const Kind = {
  bool: 0,
  int32: 1,
  int64: 2,
  uint32: 3,
  uint64: 4,
  double: 5,
  string: 6,
  bytes: 7,
  message: 8,
  /** Added to a scalar kind. */
  repeated: 16,
  /** A map with string keys; the scalar kind is its value's. */
  map: 32,
} as const;

type FieldTable = readonly (string | number | MessageType<object> | null)[];

/** What may be given for a message: any field may be left out. */
export type Init<T> = T extends Uint8Array
  ? Uint8Array
  : T extends readonly (infer U)[]
    ? readonly Init<U>[]
    : T extends object
      ? { readonly [K in keyof T]?: Init<T[K]> | undefined }
      : T;

/** The bytes are not a message of this type. */
export class DecodeError extends Error {
  override name = "DecodeError";
}

/** Entries of a field in a table: name, number, kind, message type or null. */
const STRIDE = 4;
/** Deeper nesting than this is refused, as Go's and C++'s decoders do. */
const MAX_DEPTH = 100;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const noBytes = new Uint8Array(0);

/** A message's name, and the way between its value and its bytes. */
export class MessageType<T extends object> {
  readonly typeName: string;
  readonly fields: FieldTable;

  constructor(typeName: string, fields: FieldTable) {
    this.typeName = typeName;
    this.fields = fields;
  }

  /** The bytes of a message; fields with their default value take no space. */
  encode(value: Init<T>): Uint8Array {
    const writer = new Writer();
    writeMessage(writer, this.fields, value as Record<string, unknown>);
    return writer.finish();
  }

  /** The message in the bytes, all fields set. Throws DecodeError. Byte fields are views of the input. */
  decode(bytes: Uint8Array): T {
    return readMessage(new Reader(bytes, 0, bytes.length), this.fields, 0) as T;
  }

  /** A message with all fields set, from the given ones. */
  create(init: Init<T> = {} as Init<T>): T {
    const out = blank(this.fields) as Record<string, unknown>;
    for (const [name, value] of Object.entries(init)) if (value !== undefined) out[name] = value;
    return out as T;
  }
}

export const message = <T extends object>(typeName: string, fields: FieldTable): MessageType<T> =>
  new MessageType<T>(typeName, fields);

function blank(fields: FieldTable): object {
  const out: Record<string, unknown> = {};
  for (let i = 0; i < fields.length; i += STRIDE) out[fields[i] as string] = zero(fields[i + 2] as number);
  return out;
}

function zero(kind: number): unknown {
  if (kind & Kind.repeated) return [];
  if (kind & Kind.map) return Object.create(null);
  return scalarZero(kind);
}

function scalarZero(kind: number): unknown {
  switch (kind) {
    case Kind.bool:
      return false;
    case Kind.uint64:
      return 0n;
    case Kind.string:
      return "";
    case Kind.bytes:
      return noBytes;
    case Kind.message:
      return null;
    default:
      return 0;
  }
}

function wireTypeOf(kind: number): number {
  if (kind === Kind.double) return 1;
  return kind >= Kind.string ? 2 : 0;
}

class Writer {
  #bytes = new Uint8Array(64);
  #length = 0;

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** An unsigned 64-bit number given as its two halves. */
  varint(low: number, high: number): void {
    this.#reserve(10);
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi !== 0 || lo > 0x7f) {
      this.#bytes[this.#length++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.#bytes[this.#length++] = lo;
  }

  double(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  delimited(bytes: Uint8Array): void {
    this.varint(bytes.length, 0);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}

function writeMessage(writer: Writer, fields: FieldTable, value: Record<string, unknown>): void {
  for (let i = 0; i < fields.length; i += STRIDE) {
    const given = value[fields[i] as string];
    if (given === undefined || given === null) continue;
    const number = fields[i + 1] as number;
    const kind = fields[i + 2] as number;
    const ref = fields[i + 3] as MessageType<object> | null;
    if (kind & Kind.repeated) writeRepeated(writer, number, kind - Kind.repeated, ref, given as unknown[]);
    else if (kind & Kind.map) writeMap(writer, number, kind - Kind.map, ref, given as Record<string, unknown>);
    else if (kind === Kind.message || !isZero(kind, given)) {
      writer.varint((number << 3) | wireTypeOf(kind), 0);
      writeScalar(writer, kind, ref, given);
    }
  }
}

function isZero(kind: number, value: unknown): boolean {
  if (kind === Kind.bytes) return (value as Uint8Array).length === 0;
  if (kind === Kind.double) return Object.is(value, 0);
  // Loose on purpose: 0n, 0, false and "" are the wire's default.
  return !value;
}

function writeRepeated(
  writer: Writer,
  number: number,
  kind: number,
  ref: MessageType<object> | null,
  values: readonly unknown[],
): void {
  if (values.length === 0) return;
  if (kind < Kind.string) {
    const packed = new Writer();
    for (const value of values) writeScalar(packed, kind, ref, value);
    writer.varint((number << 3) | 2, 0);
    writer.delimited(packed.finish());
    return;
  }
  for (const value of values) {
    writer.varint((number << 3) | 2, 0);
    writeScalar(writer, kind, ref, value);
  }
}

function writeMap(
  writer: Writer,
  number: number,
  kind: number,
  ref: MessageType<object> | null,
  entries: Readonly<Record<string, unknown>>,
): void {
  for (const key of Object.keys(entries)) {
    const value = entries[key];
    if (value === undefined) continue;
    const entry = new Writer();
    writeMessage(entry, ["key", 1, Kind.string, null, "value", 2, kind, ref], { key, value });
    writer.varint((number << 3) | 2, 0);
    writer.delimited(entry.finish());
  }
}

function writeScalar(writer: Writer, kind: number, ref: MessageType<object> | null, value: unknown): void {
  switch (kind) {
    case Kind.bool:
      writer.varint(value ? 1 : 0, 0);
      return;
    case Kind.int32:
      writer.varint(value as number, (value as number) < 0 ? -1 : 0);
      return;
    case Kind.uint32:
      writer.varint(value as number, 0);
      return;
    case Kind.int64:
      writer.varint((value as number) % 4294967296, Math.floor((value as number) / 4294967296));
      return;
    case Kind.uint64: {
      const big = BigInt(value as bigint | number);
      writer.varint(Number(big & 0xffffffffn), Number((big >> 32n) & 0xffffffffn));
      return;
    }
    case Kind.double:
      writer.double(value as number);
      return;
    case Kind.string:
      writer.delimited(utf8Encoder.encode(value as string));
      return;
    case Kind.bytes:
      writer.delimited(value as Uint8Array);
      return;
    default: {
      const nested = new Writer();
      writeMessage(nested, (ref as MessageType<object>).fields, value as Record<string, unknown>);
      writer.delimited(nested.finish());
    }
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  /** The halves of the number that `varint` read last. */
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw new DecodeError("a number is cut short");
      const byte = this.#bytes[this.#at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new DecodeError("a number takes more than 10 bytes");
  }

  double(): number {
    const at = this.#take(8);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0, true);
  }

  delimited(): Uint8Array {
    const at = this.#span();
    return this.#bytes.subarray(at, this.#at);
  }

  nested(): Reader {
    const at = this.#span();
    return new Reader(this.#bytes, at, this.#at);
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 2) this.#span();
    else if (wireType === 5) this.#take(4);
    else throw new DecodeError(`wire type ${wireType} is not supported`);
  }

  #span(): number {
    this.varint();
    if (this.high !== 0) throw new DecodeError("a length is larger than the message");
    return this.#take(this.low);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw new DecodeError("a field is cut short");
    this.#at = at + count;
    return at;
  }
}

function readMessage(reader: Reader, fields: FieldTable, depth: number): object {
  if (depth > MAX_DEPTH) throw new DecodeError(`messages are nested more than ${MAX_DEPTH} deep`);
  const out = blank(fields) as Record<string, unknown>;
  while (!reader.done) {
    reader.varint();
    const wireType = reader.low & 7;
    const number = reader.low >>> 3;
    if (number === 0 || reader.high !== 0) throw new DecodeError("a field number is out of range");
    const at = indexOf(fields, number);
    if (at < 0) reader.skip(wireType);
    else readField(reader, fields, at, wireType, out, depth);
  }
  return out;
}

function indexOf(fields: FieldTable, number: number): number {
  for (let i = 0; i < fields.length; i += STRIDE) if (fields[i + 1] === number) return i;
  return -1;
}

function readField(
  reader: Reader,
  fields: FieldTable,
  at: number,
  wireType: number,
  out: Record<string, unknown>,
  depth: number,
): void {
  const name = fields[at] as string;
  const kind = fields[at + 2] as number;
  const ref = fields[at + 3] as MessageType<object> | null;
  if (kind & Kind.map) {
    expect(name, wireType, 2);
    const value = kind - Kind.map;
    const entry = readMessage(reader.nested(), ["key", 1, Kind.string, null, "value", 2, value, ref], depth + 1) as {
      key: string;
      value: unknown;
    };
    const absent = value === Kind.message && entry.value === null;
    (out[name] as Record<string, unknown>)[entry.key] = absent
      ? blank((ref as MessageType<object>).fields)
      : entry.value;
  } else if (kind & Kind.repeated) {
    const element = kind - Kind.repeated;
    const list = out[name] as unknown[];
    if (wireType === 2 && element < Kind.string) {
      const packed = reader.nested();
      while (!packed.done) list.push(readScalar(packed, element, ref, depth));
    } else {
      expect(name, wireType, wireTypeOf(element));
      list.push(readScalar(reader, element, ref, depth));
    }
  } else {
    expect(name, wireType, wireTypeOf(kind));
    out[name] = readScalar(reader, kind, ref, depth);
  }
}

function expect(name: string, got: number, wanted: number): void {
  if (got !== wanted) throw new DecodeError(`field ${name} has wire type ${got} instead of ${wanted}`);
}

function readScalar(reader: Reader, kind: number, ref: MessageType<object> | null, depth: number): unknown {
  switch (kind) {
    case Kind.bool:
      reader.varint();
      return reader.low !== 0 || reader.high !== 0;
    case Kind.int32:
      reader.varint();
      return reader.low | 0;
    case Kind.uint32:
      reader.varint();
      return reader.low;
    case Kind.int64:
      reader.varint();
      return (reader.high | 0) * 4294967296 + reader.low;
    case Kind.uint64:
      reader.varint();
      return (BigInt(reader.high) << 32n) | BigInt(reader.low);
    case Kind.double:
      return reader.double();
    case Kind.string:
      try {
        return utf8Decoder.decode(reader.delimited());
      } catch (cause) {
        if (cause instanceof DecodeError) throw cause;
        throw new DecodeError("a string is not UTF-8", { cause });
      }
    case Kind.bytes:
      return reader.delimited();
    default:
      return readMessage(reader.nested(), (ref as MessageType<object>).fields, depth + 1);
  }
}
