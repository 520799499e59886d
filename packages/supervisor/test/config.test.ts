import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatGoDuration, parseGoDuration } from "@berth/base";
import { parseArguments } from "../src/cli/arguments.ts";
import { dumpConfig } from "../src/config/dump.ts";
import { defaultConfig, loadConfig } from "../src/config/load.ts";

describe("a configuration file", () => {
  it("is read over the defaults", () => {
    const { config, warnings } = loadConfig(
      `version = 2
       root = "/r"
       [grpc]
       address = "/a.sock"
       gid = 5
       [plugins."io.containerd.gc.v1.scheduler"]
       startup_delay = "1m30s"
       [plugins."io.containerd.runtime.v2.task".shims]
       "io.x.y.v1" = "/bin/shim"`,
      "f",
    );
    assert.deepEqual(warnings, []);
    assert.equal(config.top.root, "/r");
    assert.equal(config.top.state, "/run/berth");
    assert.equal(config.grpc.gid, 5);
    assert.equal(config.gc.startupDelay, 90_000);
    assert.deepEqual(config.runtime.shims, { "io.x.y.v1": "/bin/shim" });
    assert.ok(Object.isFrozen(config.grpc));
  });

  it("unknown keys are named by their path and do no harm", () => {
    const { warnings } = loadConfig(
      `version = 2
       typo = 1
       disabled_plugins = ["cri"]
       [grpc]
       adress = "x"
       tcp_address = ""
       [plugins."io.containerd.grpc.v1.cri"]
       a = 1`,
      "f",
    );
    assert.deepEqual(warnings, [
      "disabled_plugins has no effect here",
      "typo is not known here",
      "grpc.adress is not known here",
      'plugins."io.containerd.grpc.v1.cri" is not known here',
    ]);
  });

  for (const [source, words] of [
    ["root = 1", /^f: root must be a string, and is 1$/],
    ["grpc = 3", /^f: grpc must be a table$/],
    ['[grpc]\nuid = "a"', /^f: grpc\.uid must be an integer/],
    ["[grpc]\nuid = -1", /^f: grpc\.uid must be from 0/],
    ['[debug]\nlevel = "loud"', /^f: debug\.level must be /],
    [
      '[timeouts]\n"io.containerd.timeout.task.state" = 2',
      /timeouts\."io\.containerd\.timeout\.task\.state" must be a duration/,
    ],
    ['[plugins."io.containerd.gc.v1.scheduler"]\npause_threshold = 0.9', /pause_threshold must be from 0 to 0.5/],
    ['[plugins."io.containerd.runtime.v2.task"]\nshims = ["a"]', /shims must be a table of strings/],
    ["version = 4", /^f: version must be 1, 2 or 3/],
    ["= broken", /^f, line 1, column 1: not TOML: /],
    ['version = 2\n[grpc]\naddress = = "x"', /^f, line 3, column 11: not TOML: invalid value$/],
  ] as const)
    it(`refuses ${JSON.stringify(source)} with its place`, () => {
      assert.throws(() => loadConfig(source, "f"), { kind: "invalid-argument", message: words });
    });

  it("of version 1, or of none, is brought to the newest form", () => {
    for (const head of ["version = 1", ""]) {
      const { config, warnings } = loadConfig(
        `${head}
         [plugins.scheduler]
         mutation_threshold = 7
         [plugins.bolt]
         content_sharing_policy = "isolated"
         [plugins.cri]
         systemd_cgroup = true`,
        "f",
      );
      assert.equal(config.gc.mutationThreshold, 7);
      assert.equal(config.metadata.contentSharingPolicy, "isolated");
      assert.match(warnings[0] ?? "", /^version 1 is an old form/);
      assert.deepEqual(warnings.slice(1), ['plugins."io.containerd.grpc.v1.cri" is not known here']);
    }
  });

  it("without plugins is the same in all versions", () => {
    for (const source of ["", "version = 1", 'root = "/r"', '[plugins."io.containerd.gc.v1.scheduler"]'])
      assert.deepEqual(loadConfig(source, "f").warnings, []);
  });

  it("says which keys of version 3 have no effect, however deep", () => {
    const { warnings } = loadConfig(
      `version = 3
       [plugins."io.containerd.cri.v1.images"]
       snapshotter = "overlayfs"
       pinned_images = {}
       [plugins."io.containerd.cri.v1.images".registry]
       config_path = "/etc/containerd/certs.d"
       [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
       SystemdCgroup = true
       BinaryName = ""
       [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.other.options]
       SystemdCgroup = false`,
      "f",
    );
    const runtime = 'plugins."io.containerd.cri.v1.runtime"';
    assert.deepEqual(warnings, [
      'plugins."io.containerd.cri.v1.images" is not known here, but for registry',
      `${runtime} is not known here`,
      `${runtime}.containerd.runtimes.runc.options.SystemdCgroup has no effect here: runtimes take it from each container's options`,
    ]);
  });

  it("has the registries of each version in one place", () => {
    const registry = { config_path: "/etc/containerd/certs.d", mirrors: { "docker.io": { endpoint: ["https://m"] } } };
    const lines = (table: string) => `[${table}.registry]
       config_path = "/etc/containerd/certs.d"
       [${table}.registry.mirrors."docker.io"]
       endpoint = ["https://m"]`;
    for (const [version, table] of [
      [1, "plugins.cri"],
      [2, 'plugins."io.containerd.grpc.v1.cri"'],
      [3, 'plugins."io.containerd.cri.v1.images"'],
    ] as const) {
      const { config, warnings } = loadConfig(`version = ${version}\n${lines(table)}`, "f");
      assert.deepEqual(config.criImages.registry, registry);
      assert.deepEqual(warnings.slice(version === 1 ? 1 : 0), []);
    }
  });

  it("the printed configuration reads back as itself", () => {
    const { config, warnings } = loadConfig(dumpConfig(defaultConfig()), "dump");
    assert.deepEqual(warnings, []);
    assert.deepEqual(config, defaultConfig());
  });
});

describe("durations", () => {
  for (const [text, ms] of [
    ["0", 0],
    ["100ms", 100],
    ["1h2m3.5s", 3_723_500],
    ["2us", 0.002],
  ] as const)
    it(`${text} is ${ms} ms`, () => assert.equal(parseGoDuration(text), ms));
  for (const bad of ["", "5", "s", "1 s", "1d"])
    it(`${JSON.stringify(bad)} is none`, () => assert.equal(parseGoDuration(bad), null));
  it("are written back", () => {
    assert.deepEqual([0, 100, 5000].map(formatGoDuration), ["0ms", "100ms", "5s"]);
  });
});

describe("the command line", () => {
  it("takes containerd's flags in every spelling", () => {
    const args = parseArguments(["-c", "f", "--address=/a", "-root", "/r", "--state", "/s", "-l", "debug"]);
    assert.deepEqual(
      [args.command, args.config, args.address, args.root, args.state, args.logLevel],
      ["serve", "f", "/a", "/r", "/s", "debug"],
    );
    assert.equal(parseArguments(["-v"]).command, "version");
    assert.equal(parseArguments(["--config", "f", "config", "dump"]).command, "config dump");
    const publish = parseArguments(["--address", "/a", "publish", "--topic", "/t/x", "--namespace", "n"]);
    assert.deepEqual([publish.command, publish.topic, publish.namespace], ["publish", "/t/x", "n"]);
  });
  it("leaves a hook's arguments alone", () => {
    for (const between of [[], ["--"]]) {
      const args = parseArguments([
        "--config",
        "f",
        "oci-hook",
        ...between,
        "/bin/echo",
        "-n",
        "--config",
        "x",
        "{{id}}",
      ]);
      assert.deepEqual([args.command, args.config], ["oci-hook", "f"]);
      assert.deepEqual(args.hook, ["/bin/echo", "-n", "--config", "x", "{{id}}"]);
    }
    assert.deepEqual(parseArguments(["--config", "oci-hook"]).config, "oci-hook");
  });
  it("refuses what it does not know", () => {
    assert.throws(() => parseArguments(["--what"]), { kind: "invalid-argument" });
    assert.throws(() => parseArguments(["confg"]), { message: /command "confg" is not known/ });
  });
});
