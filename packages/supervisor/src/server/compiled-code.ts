import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join } from "node:path";

/**
 * Has modules that are imported from now on come from what V8 made of them at the build (build.ts). There is none where
 * berthd runs from its sources. Nothing fails where it does not fit: then they are compiled.
 */
export function useCompiledCode(): void {
  const directory = join(import.meta.dirname, "compiled");
  if (existsSync(directory)) enableCompileCache({ directory, portable: true });
}
