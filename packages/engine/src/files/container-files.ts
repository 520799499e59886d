// The files of a container that are made for it rather than taken from its image: its name and how it finds others.
// They are bound over the image's own, so nothing is written through a link that an image may have there.
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseExact } from "../exact-json.ts";
import type { OciMount, OciSpec } from "../oci.ts";
import { hostHosts, ownHosts } from "./hosts.ts";
import { hostResolvConf, ownResolvConf } from "./resolv-conf.ts";

/** Directory of one container's files. Ids and namespaces are names without a slash. */
export const filesOf = (files: string, namespace: string, id: string): string => join(files, namespace, id);

const contents: Readonly<Record<string, (hostname: string, isHostNetwork: boolean) => string>> = {
  hostname: (hostname) => `${hostname}\n`,
  hosts: (hostname, isHostNetwork) => (isHostNetwork ? hostHosts(hostname) : ownHosts(hostname)),
  "resolv.conf": (_hostname, isHostNetwork) => (isHostNetwork ? hostResolvConf() : ownResolvConf()),
};

/** The mounts of the files. Where a user has mounted something there or above, that is what is wanted. */
export function fileMounts(directory: string, others: readonly OciMount[], readOnly: boolean): OciMount[] {
  return Object.keys(contents)
    .map((name) => ({
      destination: `/etc/${name}`,
      type: "bind",
      source: join(directory, name),
      options: ["bind", "rprivate", readOnly ? "ro" : "rw"],
    }))
    .filter(({ destination }) => others.every((other) => !`${destination}/`.startsWith(`${other.destination}/`)));
}

/**
 * Makes those files that the spec binds from the directory and that are missing; those that are there stay as the
 * container has left them. An empty one is taken for missing: a power cut may leave a name without its content.
 *
 * Called when a task is about to be made: so there is nothing of a container that is not recorded.
 */
export function provideFiles(directory: string, recorded: { readonly value: Uint8Array } | null): void {
  // Most containers of other clients have none: their specs are not even parsed.
  if (recorded === null || !Buffer.from(recorded.value).includes(directory)) return;
  const spec = parseExact(new TextDecoder().decode(recorded.value)) as OciSpec;
  const isHostNetwork = !spec.linux.namespaces.some(({ type }) => type === "network");
  for (const [name, contentOf] of Object.entries(contents)) {
    const path = join(directory, name);
    if (!spec.mounts.some(({ source }) => source === path) || hasContent(path)) continue;
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    const temporary = join(directory, `.${name}`);
    writeFileSync(temporary, contentOf(spec.hostname ?? "", isHostNetwork), { mode: 0o644 });
    renameSync(temporary, path);
  }
}

export function removeFiles(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

function hasContent(path: string): boolean {
  try {
    return statSync(path).size > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
