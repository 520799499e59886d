async function main(): Promise<void> {
  const { count } = await import("./counted.ts");
  count();
}

queueMicrotask(() => void main());
