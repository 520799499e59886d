/** Node's deepStrictEqual for plain data, arrays, typed arrays, Map, Set, Date, RegExp and errors. */
export function deepEqual(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false;
  if (left instanceof Date) return left.getTime() === (right as Date).getTime();
  if (left instanceof RegExp) return String(left) === String(right);
  if (left instanceof Error) {
    if (left.message !== (right as Error).message || left.name !== (right as Error).name) return false;
  }
  if (ArrayBuffer.isView(left)) return sameBytes(left, right as ArrayBufferView);
  if (left instanceof Map) return sameMap(left, right as Map<unknown, unknown>);
  if (left instanceof Set) return sameSet(left, right as Set<unknown>);
  if (Array.isArray(left) && left.length !== (right as unknown[]).length) return false;
  return sameFields(left, right);
}

function sameBytes(left: ArrayBufferView, right: ArrayBufferView): boolean {
  if (left.byteLength !== right.byteLength) return false;
  const a = new Uint8Array(left.buffer, left.byteOffset, left.byteLength);
  const b = new Uint8Array(right.buffer, right.byteOffset, right.byteLength);
  return a.every((byte, i) => byte === b[i]);
}

function sameMap(left: Map<unknown, unknown>, right: Map<unknown, unknown>): boolean {
  return (
    left.size === right.size && [...left].every(([key, value]) => right.has(key) && deepEqual(value, right.get(key)))
  );
}

function sameSet(left: Set<unknown>, right: Set<unknown>): boolean {
  const others = [...right];
  return left.size === right.size && [...left].every((item) => others.some((other) => deepEqual(item, other)));
}

function sameFields(left: object, right: object): boolean {
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every(
      (key) =>
        Object.hasOwn(right, key) &&
        deepEqual((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
    )
  );
}
