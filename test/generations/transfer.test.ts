// ctr 2.1 with its defaults, which go through the transfer service: first on its own containerd, then on berthd with the
// same list.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { removeCgroups } from "../docker/cgroups.ts";
import { berthdPath } from "../support/berthd.ts";
import { commandOf, type Ended } from "../support/command.ts";
import { daemonOf } from "../support/daemon.ts";
import { hasRegistry, type Registry, startRegistry } from "../support/registry/docker-registry.ts";
import { imageOf, indexOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { upload } from "../support/registry/upload.ts";
import { leftOut, surroundingsOf } from "./debian.ts";

const here = imageOf({ busybox: true, layers: [{ size: 2_000_000, seed: "transfer" }] });
const elsewhere = imageOf({ platform: "linux/s390x", layers: [{ size: 1_000, seed: "elsewhere" }] });
const index = indexOf([here, elsewhere]);
const user = "otto:secret";

const needs = leftOut || (hasRegistry() ? false : "needs docker-registry");

for (const below of ["containerd", "berthd"] as const)
  describe(`ctr 2.1 on ${below}`, { skip: needs }, () => {
    const undo = new AsyncDisposableStack();
    const namespace = `transfer-${process.pid}-${below}`;
    let registry: Registry;
    let guarded: Registry;
    let dir: string;
    let ctr: (...args: string[]) => Promise<Ended>;

    // Where containerd answers before the client has all bytes, the client ends without the last of them.
    const way = below === "containerd" ? ["--local"] : [];

    const must = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await ctr(...args);
      assert.equal(code, 0, `ctr ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const names = async (): Promise<string[]> => (await must("images", "ls", "-q")).split("\n").filter(Boolean);

    // Where the daemon sees them, which need not have the client's root.
    const run = (name: string, id: string) =>
      must("run", "--rm", "--fifo-dir", join(dir, "fifos"), name, id, "echo", "hello");

    before(async () => {
      registry = undo.use(await startRegistry());
      const tokens = undo.use(await startTokenServer({ users: { otto: "secret" } }));
      guarded = undo.use(await startRegistry({ auth: tokens.auth }));
      const layouts = mkdtempSync(join(tmpdir(), "berth-transfer-"));
      undo.defer(() => rmSync(layouts, { recursive: true, force: true }));
      await upload(makeLayout(join(layouts, "one"), here), registry, "one", "1");
      await upload(makeLayout(join(layouts, "many"), index), registry, "many", "1");
      const { dir: own, inside, beside } = undo.use(await surroundingsOf("sid"));
      dir = own;
      const address = join(dir, "c.sock");
      const config = join(dir, "config.toml");
      writeFileSync(config, configText(dir, address));
      const [program = "", ...rest] = inside("ctr", "--address", address, "--namespace", namespace);
      const command = commandOf({ program, env: process.env });
      ctr = (...args) => command(...rest, ...args);
      const [file = "", ...args] =
        below === "berthd" ? beside(berthdPath, "--config", config) : inside("containerd", "--config", config);
      const daemon = daemonOf({
        command: file,
        args,
        logFile: join(dir, "log"),
        async answers() {
          const { code, stderr } = await ctr("version");
          if (code !== 0) throw new Error(stderr);
        },
      });
      undo.defer(() => removeCgroups(namespace));
      undo.defer(() => daemon.end("SIGTERM"));
      await daemon.start();
    });
    after(() => undo.disposeAsync());

    it("pulls, shows how far it is, and runs what it has pulled", async () => {
      const name = `${registry.address}/many:1`;
      const shown = await must("images", "pull", "--plain-http", "--label", "made=here", name);
      assert.match(shown, /└──index \([0-9a-f]{12}\)\s+complete/);
      assert.match(shown, /├──manifest \([0-9a-f]{12}\)\s+complete/);
      assert.match(shown, /layer \([0-9a-f]{12}\)\s+complete/);
      assert.ok(shown.includes(`application/vnd.oci.image.index.v1+json ${index.descriptor.digest}`));
      assert.match(shown, new RegExp(`${name}\\s+saved`));
      const listed = await must("images", "ls");
      assert.match(listed, new RegExp(`${name} .* ${index.descriptor.digest} .*linux/s390x.* made=here`));
      assert.equal(await run(name, "ran"), "hello\n");
    });

    it("pulls again what is there", async () => {
      const shown = await must("images", "pull", "--plain-http", `${registry.address}/many:1`);
      assert.match(shown, /└──index \([0-9a-f]{12}\)\s+already exists/);
    });

    it("tags and pushes, and pulls what it has pushed", async () => {
      const [name, to] = [`${registry.address}/one:1`, `${registry.address}/pushed:1`];
      await must("images", "pull", "--plain-http", name);
      assert.equal(await must("images", "tag", name, to), `${to}\n`);
      const shown = await must("images", "push", "--plain-http", to);
      assert.match(shown, /└──manifest \([0-9a-f]{12}\)\s+complete/);
      assert.match(shown, / {3}└──layer \([0-9a-f]{12}\)\s+already exists/);
      assert.match(shown, new RegExp(`${to}\\s+pushed content`));
      await must("images", "rm", to);
      await must("images", "pull", "--plain-http", to);
      assert.match(await must("images", "ls", `name==${to}`), new RegExp(here.descriptor.digest));
    });

    it("pushes and pulls with the user and password of its own", async () => {
      const [name, to] = [`${registry.address}/one:1`, `${guarded.address}/mine:1`];
      assert.notEqual((await ctr("images", "push", "--plain-http", to, name)).code, 0);
      await must("images", "push", "--plain-http", "--user", user, to, name);
      assert.notEqual((await ctr("images", "pull", "--plain-http", to)).code, 0);
      await must("images", "pull", "--plain-http", "--user", user, to);
      assert.ok((await names()).includes(to));
    });

    it("exports an image, and imports it under its name", async () => {
      const name = `${registry.address}/one:1`;
      const archive = join(dir, "one.tar");
      await must("images", "export", ...way, archive, name);
      assert.ok(readFileSync(archive).length > 1_000_000);
      await must("images", "rm", ...(await names()));
      const shown = await must("images", "import", archive);
      assert.match(shown, new RegExp(`${name}\\s+saved`));
      assert.deepEqual(await names(), [name]);
      assert.equal(await run(name, "imported"), "hello\n");
    });

    it("imports by a prefix and by digest", async () => {
      const archive = join(dir, "one.tar");
      await must("images", "import", "--base-name", "example.com/other", "--digests", archive);
      assert.ok((await names()).includes(`example.com/other@${here.descriptor.digest}`));
    });

    it("imports what is for all platforms", async () => {
      const name = `${registry.address}/many:1`;
      const archive = join(dir, "many.tar");
      await must("images", "pull", "--plain-http", "--local", "--all-platforms", name);
      await must("images", "export", ...way, "--all-platforms", archive, name);
      await must("images", "rm", ...(await names()));
      await must("images", "import", "--all-platforms", "--no-unpack", archive);
      assert.deepEqual(await names(), [name]);
    });

    it("says what is not there", async () => {
      const refused = await ctr("images", "pull", "--plain-http", `${registry.address}/one:none`);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /one:none.*(not found|404)/);
      assert.match(
        (await ctr("images", "push", "--plain-http", `${registry.address}/x:1`, "none")).stderr,
        /not found/,
      );
      assert.match((await ctr("images", "tag", "example.com/none:1", "example.com/x:1")).stderr, /not found/);
      writeFileSync(join(dir, "bad.tar"), "no archive");
      assert.equal((await ctr("images", "import", join(dir, "bad.tar"))).code, 1);
    });
  });

const configText = (dir: string, address: string): string => `
version = 2
root = ${JSON.stringify(join(dir, "root"))}
state = ${JSON.stringify(join(dir, "state"))}
[grpc]
  address = ${JSON.stringify(address)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(join(dir, "opt"))}
`;
