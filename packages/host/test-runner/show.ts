const MAX_DEPTH = 4;
const MAX_ITEMS = 40;

/** A value for a person: enough to see how it differs. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === "string") return JSON.stringify(value.length > 400 ? `${value.slice(0, 400)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[function ${value.name}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date || value instanceof RegExp) return String(value);
  if (depth >= MAX_DEPTH) return "…";
  const inner = (item: unknown) => show(item, depth + 1);
  const name = value.constructor?.name ?? "";
  if (Array.isArray(value)) return `[${value.slice(0, MAX_ITEMS).map(inner).join(", ")}]`;
  if (ArrayBuffer.isView(value))
    return `${name} [${[...new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, MAX_ITEMS))]}]`;
  if (value instanceof Map)
    return `Map {${[...value].map(([key, item]) => `${inner(key)} => ${inner(item)}`).join(", ")}}`;
  if (value instanceof Set) return `Set {${[...value].map(inner).join(", ")}}`;
  const fields = Object.entries(value).slice(0, MAX_ITEMS);
  return `${name === "Object" ? "" : `${name} `}{${fields.map(([key, item]) => `${key}: ${inner(item)}`).join(", ")}}`;
}
