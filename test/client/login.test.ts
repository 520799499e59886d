// Logins with the real client, real files and real credential helpers; skopeo, which knows the same files, is the witness.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { BerthError } from "@berth/base";
import { buildProgram } from "../../packages/host/build.ts";
import { commandOf, type Ended } from "../support/command.ts";
import { processesNaming } from "../support/leftovers.ts";
import { until } from "../support/until.ts";
import { berthProgram } from "./berth.ts";
import { type OnTerminal, onTerminal } from "./terminal.ts";
import { User } from "./user.ts";

const HUB = "https://index.docker.io/v1/";
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
const ended = (code: number, stdout: string, stderr = ""): Ended => ({ code, stdout, stderr });

/** Who skopeo would be, in this file. */
const skopeoUser = ({ env }: User, file: string, registry: string): string =>
  execFileSync("skopeo", ["login", "--get-login", "--authfile", file, registry], { env, encoding: "utf8" }).trim();

describe("berth login", () => {
  it("saves to docker's file, which is its user's alone, and skopeo finds it there", async () => {
    using user = new User();
    assert.deepEqual(
      await user.logIn("secret\n", ["-u", "hub"]),
      ended(0, `logged in to docker.io; saved to ${user.config}\n`),
    );
    assert.deepEqual(
      await user.logIn("p:ss wörd", ["--username", "mé", "https://a.example:5000/v1/"]),
      ended(0, `logged in to a.example:5000; saved to ${user.config}\n`),
    );
    assert.deepEqual(user.configNow, {
      auths: {
        [HUB]: { auth: Buffer.from("hub:secret").toString("base64") },
        "a.example:5000": { auth: Buffer.from("mé:p:ss wörd").toString("base64") },
      },
    });
    assert.deepEqual([modeOf(user.config), modeOf(dirname(user.config))], ["600", "700"]);
    assert.deepEqual(readdirSync(dirname(user.config)), ["config.json"]);
    assert.equal(skopeoUser(user, user.config, "docker.io"), "hub");
    assert.equal(skopeoUser(user, user.config, "a.example:5000"), "mé");
  });

  it("leaves the rest of the file as it is, whose mode only gets stricter and whose owner stays", async () => {
    using user = new User();
    const before = '{\n    "psFormat": "{{.ID}}",\n    "auths": {},\n    "aliases": { "b": "build" }\n}\n';
    for (const [mode, after] of [
      [0o644, "600"],
      [0o400, "400"],
    ] as const) {
      user.write(".docker/config.json", before, mode);
      chownSync(user.config, 1234, 5678);
      await user.logIn("secret", ["-u", "me", "a.example"]);
      assert.equal(
        readFileSync(user.config, "utf8"),
        `{\n    "psFormat": "{{.ID}}",\n    "auths": {\n        "a.example": {\n            "auth": "bWU6c2VjcmV0"\n        }\n    },\n    "aliases": {\n        "b": "build"\n    }\n}\n`,
      );
      const { uid, gid } = statSync(user.config);
      assert.deepEqual([modeOf(user.config), uid, gid], [after, 1234, 5678]);
    }
  });

  it("writes where a link leads to, be it there or not", async () => {
    using user = new User();
    mkdirSync(dirname(user.config));
    mkdirSync(join(user.home, "dotfiles"));
    symlinkSync("../dotfiles/docker.json", user.config);
    const target = join(user.home, "dotfiles/docker.json");
    for (const name of ["first", "second"]) {
      assert.equal((await user.logIn("secret", ["-u", name])).code, 0);
      assert.ok(lstatSync(user.config).isSymbolicLink());
      assert.equal(skopeoUser(user, target, "docker.io"), name);
      assert.deepEqual(readdirSync(dirname(target)), ["docker.json"]);
    }
  });

  it("saves to the file that a variable names", async () => {
    using user = new User();
    const docker = { DOCKER_CONFIG: join(user.home, "d") };
    const containers = { ...docker, REGISTRY_AUTH_FILE: join(user.home, "c/auth.json") };
    assert.match((await user.logIn("x", ["-u", "me"], docker)).stdout, /saved to .*\/d\/config\.json\n$/);
    assert.match((await user.logIn("x", ["-u", "me"], containers)).stdout, /saved to .*\/c\/auth\.json\n$/);
    assert.equal(skopeoUser(user, containers.REGISTRY_AUTH_FILE, "docker.io"), "me");
  });

  it("saves with the helper that the file names, and to no file then", async () => {
    using user = new User();
    user.workingHelper("all");
    user.workingHelper("one");
    const before = {
      auths: { "b.example": { auth: "b2xkOm9sZA==" } },
      credsStore: "all",
      credHelpers: { "a.example": "one" },
    };
    user.configure(before);
    const by = (host: string, name: string) => ended(0, `logged in to ${host}; saved to docker-credential-${name}\n`);
    assert.deepEqual(await user.logIn('se"cret', ["-u", "me", "a.example"]), by("a.example", "one"));
    assert.deepEqual(user.configNow, before);
    assert.deepEqual(await user.logIn("secret", ["-u", "me", "b.example"]), by("b.example", "all"));
    assert.deepEqual(user.configNow, { ...before, auths: {} });
    assert.deepEqual(JSON.parse(readFileSync(join(user.home, "saved-by-one/a.example"), "utf8")), {
      ServerURL: "a.example",
      Username: "me",
      Secret: 'se"cret',
    });
    assert.equal(skopeoUser(user, user.config, "a.example"), "me");
  });
});

function terminate(command: string): void {
  for (const { pid } of processesNaming(command)) process.kill(pid, "SIGTERM");
}

describe("berth login asks the registry", () => {
  it("for the host and the user, and saves nothing that is refused", async () => {
    using user = new User();
    const asked: unknown[] = [];
    user.supervisor.checkCredentials = ({ credentials }) => {
      asked.push([credentials?.host, credentials?.user, credentials?.password]);
      throw new BerthError("unauthenticated", "a.example refuses the user name or the password");
    };
    assert.deepEqual(
      await user.logIn("wrong", ["-u", "me", "https://a.example/v2/"]),
      ended(125, "", "berth: a.example refuses the user name or the password\n"),
    );
    await user.logIn("wrong", ["-u", "me"]);
    assert.deepEqual(asked, [
      ["a.example", "me", "wrong"],
      ["docker.io", "me", "wrong"],
    ]);
    assert.equal(existsSync(user.config), false);
  });

  it("and saves a token instead of the password where it gets one, in a form that skopeo knows", async () => {
    using user = new User();
    user.supervisor.checkCredentials = () => ({ credentials: { identityToken: "refresh" } });
    assert.equal((await user.logIn("secret", ["-u", "me", "a.example"])).code, 0);
    assert.deepEqual(user.configNow.auths, {
      "a.example": { auth: Buffer.from("<token>:").toString("base64"), identitytoken: "refresh" },
    });
    assert.equal(skopeoUser(user, user.config, "a.example"), "<token>");
  });

  it("unless there is no supervisor to ask it", async () => {
    using user = new User();
    user.supervisor.kill();
    const { code, stderr } = await user.logIn("secret", ["-u", "me"]);
    assert.deepEqual([code, /^berth: cannot reach berthd at /.test(stderr)], [125, true], stderr);
    assert.equal(existsSync(user.config), false);
  });
});

describe("berth login at a terminal", () => {
  const onUsersTerminal = async (user: User, ...args: string[]): Promise<OnTerminal> =>
    onTerminal(await berthProgram(), ["login", ...args], user.env);

  it("asks for what it does not know, and shows no password", async () => {
    using user = new User();
    const terminal = await onUsersTerminal(user, "a.example");
    await terminal.expect("user name: ");
    terminal.type("mee\u007f\r");
    await terminal.expect("password of me: ");
    terminal.type("wrong\u0015sécrets\u007f\r");
    await terminal.expect("logged in to a.example");
    assert.equal((await terminal.exited).exitCode, 0);
    assert.doesNotMatch(terminal.screen(), /wrong|crets/);
    assert.deepEqual(user.configNow.auths, { "a.example": { auth: Buffer.from("me:sécret").toString("base64") } });
  });

  for (const [what, end, code, message] of [
    ["an interrupt", (terminal) => terminal.type("half\u0003"), 130, /password of me: \r\n$/],
    ["SIGTERM", (_, program) => terminate(`${program} login -u me`), 143, /password of me: \r\n$/],
    ["nothing", (terminal) => terminal.type("\r"), 2, /berth: the password is empty\r\n$/],
    ["the end of input", (terminal) => terminal.type("\u0004"), 2, /berth: the password is empty\r\n$/],
  ] as const satisfies readonly (readonly [string, (on: OnTerminal, program: string) => void, number, RegExp])[])
    it(`${what} instead of a password ends it and gives the terminal back`, async () => {
      using user = new User();
      const program = await berthProgram();
      const script = `cd ~; stty -a >before; ${program} login -u me; code=$?; stty -a >after; exit $code\n`;
      const terminal = onTerminal("/bin/sh", [user.write("script", script)], user.env);
      await terminal.expect("password of me: ");
      end(terminal, program);
      assert.equal((await terminal.exited).exitCode, code);
      assert.match(terminal.screen(), message);
      assert.equal(readFileSync(join(user.home, "after"), "utf8"), readFileSync(join(user.home, "before"), "utf8"));
      assert.equal(existsSync(user.config), false);
    });

  it("an interrupt at the user's name ends it, too", async () => {
    using user = new User();
    const terminal = await onUsersTerminal(user);
    await terminal.expect("user name: ");
    terminal.type("\u0003");
    assert.equal((await terminal.exited).exitCode, 130);
  });

  it("does not read a password from stdin that everybody sees", async () => {
    using user = new User();
    const terminal = await onUsersTerminal(user, "-u", "me", "--password-stdin");
    await terminal.expect("stdin is a terminal, which would show the password: leave out --password-stdin");
    assert.equal((await terminal.exited).exitCode, 2);
  });
});

describe("berth login refuses", () => {
  for (const [what, args, password, message] of [
    [
      "a registry that is none",
      ["-u", "me", "registry"],
      "x",
      /^berth: "registry" is no registry: name its host alone/,
    ],
    ["two registries", ["-u", "me", "a.example", "b.example"], "x", /^berth: unexpected argument "b\.example"/],
    ["a password without a user", [], "x", /^berth: --password-stdin needs --username$/],
    ["a user of two", ["-u", "a:b"], "x", /^berth: option -u: user name "a:b" has a colon/],
    ["a password that others see", ["-u", "me", "-p", "geheim"], "x", /^berth: option -p: every user of this machine/],
    ["an empty password", ["-u", "me"], "\n", /^berth: the password on stdin is empty$/],
    ["a password without end", ["-u", "me"], "x".repeat(1 << 20), /^berth: the password on stdin is longer than 65536/],
    ["a password that is no text", ["-u", "me"], Buffer.from([255]), /^berth: cannot read the password: .*UTF-8/],
  ] as const)
    it(what, async () => {
      using user = new User();
      const { code, stdout, stderr } = await user.logIn(password, args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr.trimEnd(), message);
      assert.doesNotMatch(stderr, /geheim/);
      assert.equal(existsSync(user.config), false);
    });

  it("to ask where there is no terminal", async () => {
    using user = new User();
    const { code, stderr } = await (await user.berth())("login", "-u", "me");
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^berth: stdin is no terminal to ask at: give --username, and the password with --password-stdin/,
    );
  });

  it("a stdin that is closed", async () => {
    using user = new User();
    const shell = commandOf({ program: "/bin/sh", env: user.env });
    const { code, stderr } = await shell("-c", `exec ${await berthProgram()} login -u me --password-stdin <&-`);
    assert.deepEqual([code, /^berth: cannot read the password: [^\n]*\n$/.test(stderr)], [2, true], stderr);
  });

  for (const [what, content, message] of [
    ["is cut short", '{"auths":{"a.example":{"auth":"c2Vj', /it is not JSON/],
    ["is none", "[]", /its content is no JSON object/],
    ["has entries that are none", '{"auths":[]}', /"auths" is no JSON object/],
    ["has a helper that is none", '{"credsStore":{}}', /"credsStore" is no JSON string/],
  ] as const)
    it(`a file that ${what}, and leaves it alone`, async () => {
      using user = new User();
      user.write(".docker/config.json", content);
      const { code, stderr } = await user.logIn("x", ["-u", "me"]);
      assert.equal(code, 125);
      assert.match(stderr, message);
      assert.ok(stderr.startsWith(`berth: cannot take credentials from ${user.config}: `), stderr);
      assert.equal(readFileSync(user.config, "utf8"), content);
      assert.deepEqual(readdirSync(dirname(user.config)), ["config.json"]);
    });

  it("a file that cannot be read or written", async () => {
    using user = new User();
    mkdirSync(user.config, { recursive: true });
    const unread = await user.logIn("x", ["-u", "me"]);
    assert.equal(unread.code, 125);
    assert.match(
      unread.stderr,
      /^berth: cannot read credentials: .*config\.json.*: is a directory: let this user read it/,
    );
    const unwritten = await user.logIn("x", ["-u", "me"], { DOCKER_CONFIG: "/proc/self/fdinfo/none" });
    assert.equal(unwritten.code, 125);
    assert.match(unwritten.stderr, /^berth: cannot save credentials: [^\n]*: let this user write there/);
    const denied = await commandOf({ program: "setpriv", env: user.env })(
      ...["--reuid=65534", "--clear-groups", await berthProgram(), "logout"],
    );
    assert.deepEqual([denied.code, /config\.json": permission denied: let this/.test(denied.stderr)], [125, true]);
    // A device would be replaced by a file, for everybody.
    const device = join(user.home, "null");
    execFileSync("mknod", [device, "c", "1", "3"]);
    const special = await user.logIn("x", ["-u", "me"], { REGISTRY_AUTH_FILE: device });
    assert.deepEqual([special.code, /null" is no plain file/.test(special.stderr)], [125, true], special.stderr);
    assert.ok(statSync(device).isCharacterDevice());
  });
});

describe("a credential helper", () => {
  for (const [what, script, mode, message] of [
    ["is not there", null, 0, /is no program on PATH: install it, or take it out of that file/],
    ["may not be executed", "exit 0", 0o644, /is no program on PATH/],
    ["cannot be executed", "#!/nowhere/sh\n", 0o755, /cannot be run: exec .*: no such file or directory/],
    [
      "says why not",
      'echo "exec: \\"pass\\": executable file not found in \\$PATH"; exit 1',
      0o755,
      /failed: exec: "pass": executable file not found in \$PATH$/,
    ],
    ["complains on stderr", "echo locked >&2; exit 1", 0o755, /failed: locked$/],
    ["says nothing", "exit 7", 0o755, /failed: it ended with 7 and said nothing$/],
    ["is killed", "kill -9 $$", 0o755, /failed: it ended with 137 and said nothing$/],
  ] as const)
    it(`that ${what} is named, in a sentence`, async () => {
      using user = new User();
      user.configure({ credsStore: "bad" });
      if (script !== null) user.helper("bad", script, mode);
      const start = `berth: credential helper docker-credential-bad, which ${user.config} names, `;
      for (const { code, stdout, stderr } of [
        await user.logIn("secret", ["-u", "me"]),
        await (await user.berth())("logout"),
      ]) {
        assert.deepEqual([code, stdout], [125, ""]);
        assert.ok(stderr.startsWith(start) && /^[^\n]*\n$/.test(stderr), stderr);
        assert.match(stderr.trimEnd(), message);
      }
      assert.deepEqual(user.configNow, { credsStore: "bad" });
    });

  it("that takes long is named meanwhile, and ends with the client", async () => {
    using user = new User();
    user.configure({ credsStore: "slow" });
    user.helper("slow", "exec sleep 1000");
    const { child, ended, complained } = (await user.berth()).start("login", "--password-stdin", "-u", "me");
    child.stdin.end("secret");
    await complained("berth: waiting for docker-credential-slow; an interrupt gives up\n");
    const helpers = () => processesNaming(`HOME=${user.home}`, "environ").filter(({ pid }) => pid !== child.pid);
    assert.equal(helpers().length, 1);
    child.kill("SIGTERM");
    assert.equal((await ended).code, null);
    await until(() => helpers().length === 0, "the helper ends");
  });
});

describe("berth logout", () => {
  it("removes a login in each of its spellings, and nothing else", async () => {
    using user = new User();
    const berth = await user.berth();
    const kept = { "a.example": { auth: "bWU6eA==" }, "docker.io/org": { auth: "bWU6eA==" } };
    user.configure({ auths: { [HUB]: { auth: "?" }, ...kept, "index.docker.io": {} }, x: 1 });
    assert.deepEqual(await berth("logout"), ended(0, "logged out of docker.io\n"));
    assert.deepEqual(user.configNow, { auths: kept, x: 1 });
    assert.deepEqual(await berth("logout"), ended(0, "there was no login to docker.io\n"));
    assert.deepEqual(await berth("logout", "https://a.example"), ended(0, "logged out of a.example\n"));
  });

  it("makes no file", async () => {
    using user = new User();
    assert.deepEqual(await (await user.berth())("logout", "a.example"), ended(0, "there was no login to a.example\n"));
    assert.deepEqual(readdirSync(user.home), []);
  });

  it("has the helper forget it", async () => {
    using user = new User();
    user.workingHelper("h");
    user.configure({ auths: { "a.example": {} }, credsStore: "h" });
    await user.logIn("secret", ["-u", "me", "a.example"]);
    const berth = await user.berth();
    assert.deepEqual(await berth("logout", "a.example"), ended(0, "logged out of a.example\n"));
    assert.deepEqual(await berth("logout", "a.example"), ended(0, "there was no login to a.example\n"));
  });

  it("says of containers' files that they have a login, too", async () => {
    using user = new User();
    const other = user.write("run/containers/auth.json", '{"auths":{"a.example":{"auth":"bWU6eA=="}}}');
    await user.logIn("secret", ["-u", "me", "a.example"]);
    const { code, stdout, stderr } = await (await user.berth())("logout", "a.example");
    assert.deepEqual([code, stdout], [0, "logged out of a.example\n"]);
    assert.equal(
      stderr,
      `berth: ${other} has credentials for a.example as well: podman logout, or an editor, removes them\n`,
    );
    assert.equal(skopeoUser(user, other, "a.example"), "me");
  });
});

describe("a pull", () => {
  let folder: string;
  let program: string;
  before(async () => {
    folder = mkdtempSync("/tmp/berth-find-credentials.");
    const entry = join(import.meta.dirname, "find-credentials.ts");
    program = await buildProgram({ entry, name: "find-credentials", outDir: folder, variant: "release" });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const find = (user: User, ...args: string[]): Promise<Ended> => commandOf({ program, env: user.env })(...args);

  it("finds in containers' file what skopeo finds there", async () => {
    using user = new User();
    const file = user.write(
      "run/containers/auth.json",
      JSON.stringify({ auths: { "quay.io": { auth: "aG9zdDp4" }, "quay.io/org": { auth: "b3JnOng=" } } }),
    );
    for (const [repository, name] of [
      ["quay.io/org/app", "org"],
      ["quay.io/other/app", "host"],
    ] as const) {
      assert.equal(skopeoUser(user, file, repository), name);
      assert.deepEqual(
        await find(user, "quay.io", repository),
        ended(0, `{"kind":"password","user":"${name}","password":"x"}\n`),
      );
    }
    assert.deepEqual(await find(user, "a.example", "a.example/app"), ended(0, "null\n"));
  });

  it("finds what a login has saved with a helper", async () => {
    using user = new User();
    user.workingHelper("h");
    user.configure({ credsStore: "h" });
    assert.deepEqual(await find(user, "registry-1.docker.io", "docker.io/library/busybox"), ended(0, "null\n"));
    await user.logIn("secret", ["-u", "me"]);
    assert.deepEqual(
      await find(user, "registry-1.docker.io", "docker.io/library/busybox"),
      ended(0, '{"kind":"password","user":"me","password":"secret"}\n'),
    );
  });

  for (const [what, script] of [
    ["talks nonsense", "echo secret"],
    ["says too much", "yes secret | head -c 8m"],
    ["says nothing", "exit 0"],
  ] as const)
    it(`is told in a sentence of a helper that ${what}`, async () => {
      using user = new User();
      user.configure({ credsStore: "bad" });
      user.helper("bad", script);
      const { code, stdout, stderr } = await find(user, "a.example");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(
        stderr,
        /^BerthError: credential helper docker-credential-bad, which \S+ names, has not answered with /,
      );
      assert.doesNotMatch(stderr, /secret\b(?!")/i);
    });
});
