import { stringify } from "smol-toml";
import { WRITTEN_VERSION } from "./load.ts";
import { type Config, sections } from "./sections.ts";
import type { Table } from "./table.ts";

/** The configuration as a file, from the table that it is read by; keys without an effect are left out. */
export function dumpConfig(config: Config): string {
  const out: Record<string, unknown> = { version: WRITTEN_VERSION };
  for (const [name, section] of Object.entries<Table>(sections)) {
    const values = config[name as keyof Config] as Readonly<Record<string, unknown>>;
    for (const [key, field] of Object.entries(section.fields))
      if (!field.ignored) tableAt(out, section.place)[field.name] = field.write(values[key]);
  }
  return `${stringify(out)}\n`;
}

function tableAt(out: Record<string, unknown>, place: readonly string[]): Record<string, unknown> {
  let at = out;
  for (const part of place) {
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  return at;
}
