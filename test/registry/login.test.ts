// Logins that berthd has a real registry check, and what is said of the servers of an image.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { berthProgram } from "../client/berth.ts";
import { startBerthd } from "../support/berthd.ts";
import { type Command, commandOf } from "../support/command.ts";
import { hasRegistry, startRegistry } from "../support/registry/docker-registry.ts";
import * as faults from "../support/registry/faults.ts";
import { imageOf } from "../support/registry/image-parts.ts";
import { makeLayout } from "../support/registry/layout.ts";
import { startFaultyMirror } from "../support/registry/mirror.ts";
import { takeOwnTmp } from "../support/registry/own-tmp.ts";
import { startTokenServer } from "../support/registry/token-server.ts";
import { upload } from "../support/registry/upload.ts";
import type { Supervisor } from "../support/supervisor.ts";

const own = takeOwnTmp();
after(own.remove);
const docker = join(own.dir, "docker");
const hosts = join(own.dir, "hosts");

describe("registries, by the client", { skip: hasRegistry() ? false : "needs docker-registry" }, () => {
  let berthd: Supervisor;
  let berth: Command;
  before(async () => {
    mkdirSync(hosts);
    berthd = await startBerthd({
      config: `[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ${JSON.stringify(hosts)}\n`,
    });
    const env = { ...process.env, BERTH_ADDRESS: berthd.address, DOCKER_CONFIG: docker };
    berth = commandOf({ program: await berthProgram(), env });
  });
  after(async () => {
    await berthd?.stop();
    own.assertNothingLeft();
  });
  /** The password comes through a pipe. */
  async function login(host: string, password: string) {
    const { child, ended } = berth.start("login", "-u", "me", "--password-stdin", host);
    child.stdin?.end(password);
    return await ended;
  }
  const saved = () => JSON.parse(readFileSync(join(docker, "config.json"), "utf8")).auths;

  it("a login by htpasswd is checked before it is kept", async () => {
    await using registry = await startRegistry({ auth: { kind: "htpasswd", user: "me", password: "secret" } });
    const wrong = await login(registry.address, "guess");
    assert.deepEqual(
      [wrong.code, wrong.stderr],
      [125, `berth: ${registry.address} refuses the user name or the password\n`],
    );
    assert.throws(saved, { code: "ENOENT" });
    const right = await login(registry.address, "secret");
    assert.equal(right.code, 0, right.stderr);
    assert.deepEqual(saved()[registry.address], { auth: Buffer.from("me:secret").toString("base64") });
    assert.match((await berth("pull", `${registry.address}/nothing`)).stderr, /it answers 404/);
    assert.equal((await berth("logout", registry.address)).code, 0);
    assert.match((await berth("pull", `${registry.address}/nothing`)).stderr, /log in with berth login/);
  });

  it("a login with a token server keeps its refresh token, and no password", async () => {
    await using tokens = await startTokenServer({ users: { me: "secret" } });
    await using registry = await startRegistry({ auth: tokens.auth });
    assert.equal((await login(registry.address, "guess")).code, 125);
    const right = await login(registry.address, "secret");
    assert.equal(right.code, 0, right.stderr);
    const entry = saved()[registry.address];
    assert.equal(typeof entry.identitytoken, "string");
    assert.ok(!JSON.stringify(entry).includes(Buffer.from("me:secret").toString("base64")));
    assert.match((await berth("pull", `${registry.address}/nothing`)).stderr, /it answers 404/);
    assert.equal(tokens.requests.at(-1)?.grantType, "refresh_token");
    tokens.revoke();
    const refused = await berth("pull", `${registry.address}/nothing`);
    assert.match(refused.stderr, /refuses the credentials/);
    await berth("logout", registry.address);
  });

  it("a registry that is not there is not logged in to", async () => {
    const { code, stderr } = await login("127.0.0.1:1", "secret");
    assert.equal(code, 125);
    assert.match(stderr, /^berth: a login to 127\.0\.0\.1:1: .*the connection was refused: nothing listens there\n$/);
  });

  it("explain names the servers in order, with what has decided each, and what they say", async () => {
    await using registry = await startRegistry();
    const image = imageOf({ layers: [{ size: 100 }] });
    await upload(makeLayout(join(own.dir, "explained"), image), registry, "a/b", "1");
    await using broken = await startFaultyMirror(registry, [{ fault: faults.respond(500) }]);
    await using empty = await startFaultyMirror(null);
    mkdirSync(join(hosts, "x.example"));
    const file = join(hosts, "x.example/hosts.toml");
    writeFileSync(
      file,
      `server = "${registry.url}"\n\n[host."${broken.url}"]\ncapabilities = ["pull", "resolve"]\n[host."${empty.url}"]\n[host."${empty.url}".header]\nx-secret = "value"\n`,
    );
    const { code, stdout } = await berth("registry", "explain", "x.example/a/b:1");
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `x.example/a/b:1
1. ${broken.url}/v2
   ${file}, line 3
   for pull, resolve; as a mirror of x.example
2. ${empty.url}/v2
   ${file}, line 5
   for pull, resolve, push, referrers; as a mirror of x.example; headers x-secret
3. ${registry.url}/v2
   ${file}, line 1
   for pull, resolve, push, referrers; as a mirror of x.example
`,
    );
    const checked = await berth("registry", "explain", "--check", "--json", "x.example/a/b:1");
    assert.equal(checked.code, 0);
    const { endpoints } = JSON.parse(checked.stdout);
    assert.deepEqual(
      endpoints.map((one: { failure: string; digest: string }) => [one.failure, one.digest]),
      [
        ["it answers 500", ""],
        ["it answers 404. Check its name and its tag", ""],
        ["", image.descriptor.digest],
      ],
    );
    assert.equal((await berth("registry", "explain", "--check", "x.example/a/b:2")).code, 1);
    assert.match(
      (await berth("registry", "explain", "alpine")).stdout,
      /^docker\.io\/library\/alpine:latest\n1\. https:\/\/registry-1\.docker\.io\/v2\n {3}the default\n/,
    );
    writeFileSync(file, "server = 1");
    const bad = await berth("registry", "explain", "x.example/a/b:1");
    assert.equal(bad.code, 125);
    assert.ok(bad.stderr.startsWith(`berth: ${file}, line 1: server must be`), bad.stderr);
  });
});
