// A bundle without a journal of ours that can be read: containerd has made it, or it was damaged. What runs is found by
// what else is in it, and by the shim's command line.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { kindOf } from "@berth/base";
import { type Bootstrap, parseBootstrapReply } from "./bootstrap-reply.ts";
import type { Bundle } from "./bundle.ts";
import type { Context } from "./context.ts";
import { findShim } from "./find-shim.ts";
import type { Journal } from "./journal.ts";

/** Where the bundle's files say that its shim listens, the likeliest first. */
export function addressesIn(bundle: Bundle): Bootstrap[] {
  return ["bootstrap.json", "address"].flatMap((name) => {
    const text = readText(join(bundle.path, name));
    try {
      return text === "" ? [] : [parseBootstrapReply(Buffer.from(text))];
    } catch {
      // Damaged: as good as none.
      return [];
    }
  });
}

/** Null where nothing was launched. An address is empty where no file tells it. */
export async function recoverJournal(context: Context, bundle: Bundle): Promise<Journal | null> {
  const [told] = addressesIn(bundle);
  const found = told === undefined ? await findShim(bundle) : null;
  const traces = [join(bundle.path, "init.pid"), join(context.runcRoot, bundle.namespace, bundle.id)];
  if (told === undefined && found === null && !traces.some((path) => existsSync(path))) return null;
  const shim = readText(join(bundle.path, "shim-binary-path")) || shimOfContainer(context, bundle);
  // biome-ignore format: one value a field
  return {
    version: 1, bootId: context.bootId, launchId: "", shim, phase: "created",
    address: told?.address ?? "", api: told?.version ?? 2, shimProcess: found, init: null, exit: null, outOfMemory: false,
    attended: {},
  };
}

function shimOfContainer({ containers, resolveShim }: Context, { namespace, id }: Bundle): string {
  try {
    return resolveShim(containers.get({ namespace, lease: "" }, id).runtime.name);
  } catch (error) {
    // A directory may have a name that no container can have.
    if (["not-found", "invalid-argument"].includes(kindOf(error))) return "";
    throw error;
  }
}

/** Empty where the file is missing. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
