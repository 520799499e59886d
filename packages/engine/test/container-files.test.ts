import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileMounts, filesOf, provideFiles, removeFiles } from "../src/files/container-files.ts";
import { ownResolvConf } from "../src/files/resolv-conf.ts";

const stub = "/run/systemd/resolve/resolv.conf";
const resolvConf = (host: string, behind = "") => ownResolvConf((path) => (path === stub ? behind : host));

describe("resolv.conf of a container", () => {
  const table: [string, string, string, string][] = [
    ["is the host's", "nameserver 10.0.0.2\nsearch example\n", "", "nameserver 10.0.0.2\nsearch example\n"],
    [
      "without servers on the host's loopback",
      "# by hand\nnameserver 127.0.0.1\nnameserver ::1\nnameserver 10.0.0.2\noptions edns0",
      "",
      "# by hand\nnameserver 10.0.0.2\noptions edns0\n",
    ],
    ["without link-local ones", "nameserver fe80::1%eth0\nnameserver 10.0.0.2\n", "", "nameserver 10.0.0.2\n"],
    ["keeps IPv6", "nameserver 2001:db8::1\n", "", "nameserver 2001:db8::1\n"],
    [
      "is what the stub asks",
      "nameserver 127.0.0.53\noptions edns0\n",
      "nameserver 10.0.0.3\nsearch lan\n",
      "nameserver 10.0.0.3\nsearch lan\n",
    ],
    [
      "names public servers where there are no others",
      "search lan\nnameserver 127.0.0.1\n",
      "nameserver 10.0.0.3\n",
      "search lan\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n",
    ],
    ["also behind a stub", "nameserver 127.0.0.53\n", "nameserver ::1\n", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"],
    ["also where the host has no file", "", "", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"],
  ];
  for (const [title, host, behind, made] of table) it(title, () => assert.equal(resolvConf(host, behind), made));
});

describe("files that are made for a container", () => {
  const recorded = (spec: object) => ({ value: new TextEncoder().encode(JSON.stringify(spec)) });
  const spec = (directory: string, namespaces: string[] = ["network"]) => ({
    hostname: "box",
    mounts: fileMounts(directory, [], false),
    linux: { namespaces: namespaces.map((type) => ({ type })) },
  });
  const inDirectory = (act: (directory: string, files: string) => void) => {
    const files = mkdtempSync(join(tmpdir(), "berth-files-"));
    try {
      act(filesOf(files, "ns", "box"), files);
    } finally {
      rmSync(files, { recursive: true });
    }
  };

  it("are made once, kept as the container leaves them, made again when lost, and removed", () =>
    inDirectory((directory, files) => {
      const read = (name: string) => readFileSync(join(directory, name), "utf8");
      provideFiles(directory, recorded(spec(directory)));
      assert.deepEqual(readdirSync(directory).sort(), ["hostname", "hosts", "resolv.conf"]);
      assert.equal(read("hostname"), "box\n");
      assert.match(read("hosts"), /^127\.0\.0\.1\tlocalhost\n(.*\n)*127\.0\.1\.1\tbox\n$/);
      writeFileSync(join(directory, "hosts"), "mine\n");
      writeFileSync(join(directory, "hostname"), "");
      rmSync(join(directory, "resolv.conf"));
      provideFiles(directory, recorded(spec(directory)));
      assert.deepEqual([read("hosts"), read("hostname")], ["mine\n", "box\n"]);
      assert.match(read("resolv.conf"), /^nameserver /m);
      removeFiles(directory);
      assert.deepEqual(readdirSync(join(files, "ns")), []);
      removeFiles(directory);
    }));

  it("are the host's for a container in the host's network", () =>
    inDirectory((directory) => {
      provideFiles(directory, recorded(spec(directory, [])));
      for (const name of ["hosts", "resolv.conf"])
        if (existsSync(join("/etc", name)) && readFileSync(join("/etc", name)).length > 0)
          assert.deepEqual(readFileSync(join(directory, name)), readFileSync(join("/etc", name)));
    }));

  it("are not made for a spec that does not bind them", () =>
    inDirectory((directory, files) => {
      provideFiles(directory, null);
      provideFiles(directory, recorded({ mounts: [] }));
      provideFiles(directory, { value: new TextEncoder().encode("not JSON") });
      assert.deepEqual(readdirSync(files), []);
    }));
});
