import { O, open, read } from "@berth/host";

/** Words of the ELF header's e_machine that programs run on, in Go's names (elf(5)). */
const machines: Readonly<Record<number, string>> = { 3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64" };
const MACHINE_AT = 18;

/** What this program, and so the machine, is made for. */
export function machine(): { architecture: string; variant: string } {
  using program = open("/proc/self/exe", O.RDONLY);
  const head = read(program, MACHINE_AT + 2) ?? new Uint8Array(0);
  const architecture = machines[(head[MACHINE_AT] ?? 0) | ((head[MACHINE_AT + 1] ?? 0) << 8)] ?? "unknown";
  return { architecture, variant: architecture === "arm64" ? "v8" : "" };
}
