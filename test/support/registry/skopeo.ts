// The real skopeo, as another client of a registry: it puts images there as they are, and takes them out again. Whatever
// the machine has configured for it, or has cached, is left alone.
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Certificates } from "./certificates.ts";
import type { Descriptor } from "./image-parts.ts";
import { blobPath, type Layout, namedBy } from "./layout.ts";

const run = promisify(execFile);
const PROGRAM = "/usr/bin/skopeo";

/** True where Debian's skopeo is installed. */
export const hasSkopeo = (): boolean => existsSync(PROGRAM);

export interface Access {
  /** The authority to trust. Without it, whatever the server speaks will do. */
  readonly certificates?: Certificates | null;
  /** Shows the client's certificate, too. */
  readonly asClient?: boolean;
  readonly credentials?: { readonly user: string; readonly password: string };
}

/** Puts the image, or all of an index, to `HOST:PORT/REPOSITORY:TAG`, with all digests as they are. */
export async function push({ dir, top }: Layout, reference: string, access: Access = {}): Promise<void> {
  using work = workspace(access);
  const repository = reference.slice(0, reference.lastIndexOf(":"));
  // Children first: an index names what is there. skopeo itself refuses an index in an index.
  const put = async (descriptor: Descriptor, to: string): Promise<void> => {
    for (const child of namedBy(dir, descriptor).manifests) await put(child, `${repository}@${child.digest}`);
    const source = directoryOf(work.dir, dir, descriptor);
    await work.copy(["--multi-arch=index-only", ...work.flags("dest"), `dir:${source}`, `docker://${to}`]);
  };
  await put(top, reference);
}

/** Takes the image, or all of an index, out of a registry: into a directory as skopeo's `dir:` writes it. */
export async function pull(reference: string, into: string, access: Access = {}): Promise<void> {
  using work = workspace(access);
  await work.copy(["--multi-arch=all", ...work.flags("src"), `docker://${reference}`, `dir:${into}`]);
}

interface Workspace extends Disposable {
  readonly dir: string;
  flags(side: "src" | "dest"): string[];
  /** Rejects with skopeo's error text. */
  copy(args: readonly string[]): Promise<void>;
}

function workspace(access: Access): Workspace {
  const dir = mkdtempSync(join(tmpdir(), "berth-skopeo-"));
  // Its cache is the machine's, except for users other than root (containers/image, pkg/blobinfocache/default.go).
  const home = { HOME: dir, XDG_DATA_HOME: dir, XDG_RUNTIME_DIR: dir, _CONTAINERS_ROOTLESS_UID: "1000" };
  const env = { PATH: process.env.PATH, CONTAINERS_REGISTRIES_CONF: "/dev/null", ...home };
  return {
    dir,
    flags: (side) => [...trustIn(dir, access), ...credentialsOf(access)].map((flag) => `--${side}-${flag}`),
    async copy(args) {
      await run(PROGRAM, ["--insecure-policy", `--tmpdir=${dir}`, "copy", "--preserve-digests", ...args], { env });
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

const credentialsOf = ({ credentials }: Access): string[] =>
  credentials === undefined ? ["no-creds"] : [`creds=${credentials.user}:${credentials.password}`];

/** Names that containers-certs.d(5) gives. */
function trustIn(dir: string, { certificates, asClient = false }: Access): string[] {
  if (!certificates) return ["tls-verify=false"];
  const trusted = join(dir, "certs.d");
  mkdirSync(trusted);
  copyFileSync(certificates.ca, join(trusted, "ca.crt"));
  if (asClient) {
    copyFileSync(certificates.client.certificate, join(trusted, "client.cert"));
    copyFileSync(certificates.client.key, join(trusted, "client.key"));
  }
  return [`cert-dir=${trusted}`];
}

/** One manifest as skopeo's `dir:`, which, unlike its `oci:`, takes media types of both families. */
function directoryOf(parent: string, layout: string, { digest }: Descriptor): string {
  const dir = mkdtempSync(join(parent, "image-"));
  writeFileSync(join(dir, "version"), "Directory Transport Version: 1.1\n");
  symlinkSync(blobPath(layout, digest), join(dir, "manifest.json"));
  const { blobs } = namedBy(layout, { digest });
  for (const blob of new Set(blobs.map((each) => each.digest)))
    symlinkSync(blobPath(layout, blob), join(dir, blob.replace("sha256:", "")));
  return dir;
}
