// A berthd that pulls from one real registry and pushes to another, for the tests of pushes.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectGrpc } from "@berth/grpc";
import { Content } from "@berth/proto/containerd/services/content/v1";
import { Leases } from "@berth/proto/containerd/services/leases/v1";
import { type Berth, berthAt } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { commandOf } from "../support/command.ts";
import { ask } from "../support/registry/ask.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import type { Part } from "../support/registry/image-parts.ts";
import { imageTypes } from "../support/registry/image-types.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { type FaultyMirror, type Rule, startFaultyMirror } from "../support/registry/mirror.ts";
import { hasSkopeo } from "../support/registry/skopeo.ts";
import { upload } from "../support/registry/upload.ts";
import type { Supervisor } from "../support/supervisor.ts";

/** Why pushes cannot be tested on this machine; false if they can. */
export const pushingNeeds: string | false = hasRegistry() && hasSkopeo() ? false : "needs docker-registry and skopeo";

export const namespace = `push-${process.pid}`;

export interface Pushing extends AsyncDisposable {
  /** Where images come from. */
  readonly source: Registry;
  /** Where they go. */
  readonly registry: Registry;
  readonly berthd: Supervisor;
  readonly berth: Berth;
  /** An image here, pulled as a whole unless other flags are given, by its name: `HOST:PORT/NAME:1`. */
  bring(part: Part, ...flags: string[]): Promise<string>;
  /** What a command prints. */
  must(...args: string[]): Promise<string>;
  /** Of a push that fails with this sentence, nothing is left here. */
  refused(words: RegExp, ...args: string[]): Promise<void>;
  leases(): Promise<string[]>;
  /** Labels by digest. */
  content(): Promise<Record<string, unknown>>;
  /** Writes a hosts.toml for a registry of this name. */
  configure(name: string, text: string): void;
  /** The registry by a name of its own, through a mirror that remembers, and may do wrong. */
  through(name: string, ...rules: Rule[]): Promise<FaultyMirror>;
  /** Status of a manifest in the registry, and its digest. */
  has(path: string, reference: string): Promise<readonly [number, unknown]>;
  /** A client whose user has this docker config. */
  as(config: object): Berth;
}

/** Keeps its files in the directory. */
export async function startPushing(dir: string): Promise<Pushing> {
  await using undo = new AsyncDisposableStack();
  const [source, registry] = [undo.use(await startRegistry()), undo.use(await startRegistry())];
  const hosts = join(dir, "hosts");
  mkdirSync(hosts);
  const config = `[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ${JSON.stringify(hosts)}\n`;
  const berthd = await startBerthd({ config });
  undo.defer(() => berthd.stop());
  const berth = await berthAt(berthd.address, namespace);
  let made = 0;

  async function must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await berth(...args);
    assert.equal(code, 0, `berth ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  async function leases(): Promise<string[]> {
    using connection = connectGrpc(berthd.address);
    return (await connection.service(Leases).list({}, { namespace })).leases.map(({ id }) => id);
  }
  function configure(name: string, text: string): void {
    mkdirSync(join(hosts, name), { recursive: true });
    writeFileSync(join(hosts, name, "hosts.toml"), text);
  }

  const owned = undo.move();
  return {
    source,
    registry,
    berthd,
    berth,
    must,
    leases,
    configure,
    async bring(part, ...flags) {
      const repository = `image${made++}`;
      await upload(makeLayout(join(dir, repository), part), source, repository, "1");
      const name = `${source.address}/${repository}:1`;
      await must("pull", ...(flags.length === 0 ? ["--all-platforms", "--no-unpack"] : flags), name);
      return name;
    },
    async refused(words, ...args) {
      const { code, stdout, stderr } = await berth(...args);
      assert.deepEqual([code, stdout], [125, ""], stderr);
      assert.match(stderr.split("\n").at(-2) ?? "", words);
      assert.deepEqual(await leases(), []);
    },
    async content() {
      using connection = connectGrpc(berthd.address);
      const told = await Array.fromAsync(connection.service(Content).list({}, { namespace }));
      return Object.fromEntries(told.flatMap(({ info }) => info.map(({ digest, labels }) => [digest, { ...labels }])));
    },
    async through(name, ...rules) {
      const mirror = await startFaultyMirror(registry, rules);
      configure(name, `server = "${mirror.url}"\n`);
      return mirror;
    },
    async has(path, reference) {
      const accept = Object.values(imageTypes).flatMap(({ index, manifest }) => [index, manifest]);
      const url = `${registry.url}/v2/${path}/manifests/${reference}`;
      const { status, headers } = await ask(url, { headers: { accept } });
      return [status, headers["docker-content-digest"]];
    },
    as(auths) {
      const directory = join(dir, `docker${made++}`);
      mkdirSync(directory);
      writeFileSync(join(directory, "config.json"), JSON.stringify(auths));
      return commandOf({
        program: join(import.meta.dirname, "../../dist/bin/berth"),
        env: { ...process.env, BERTH_ADDRESS: berthd.address, BERTH_NAMESPACE: namespace, DOCKER_CONFIG: directory },
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
