// Wrong and right commands of Debian's ctr, one after the other on containerd and on berthd: status and output are
// the same, word for word. containerd's are the expectation.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startBerthd } from "../support/berthd.ts";
import { startContainerd } from "../support/containerd.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { until } from "../support/until.ts";

const image = "docker.io/library/busybox:words";
const digest = `sha256:${"0".repeat(64)}`;
const folder = mkdtempSync("/tmp/berth-words-");
const archive = join(folder, "busybox.tar");

const filters = [
  "name==",
  "name~=",
  "name=x",
  "name==/x/",
  "name==|x|",
  "==",
  'name=="x',
  'name=="\\q"',
  'name~="\\x4"',
  'name=="\\400"',
  "na-me==x",
  "name==x name==y",
  "name ~= busybox , labels.z",
  "name===x",
  "name!x",
  "name==x,",
  "name==x,,name==y",
  ",name==x",
  "name.",
  "(name==x",
  "name~=.*",
  "name~=(",
  "name~=busybox",
  "name != x",
  "bogus",
  "bogus!=x",
  'bogus!=""',
  "bogus~=.",
  'labels.x!=""',
  'labels."x/y"==1',
  "target.digest",
  "target.size",
];

/** In this order: later ones build on what earlier ones have made. */
const commands: readonly (readonly string[])[] = [
  ["namespaces", "create", "words1", "a=b"],
  ["namespaces", "create", "words1"],
  ["namespaces", "label", "nothere", "c=d"],
  ["namespaces", "rm", "words1"],
  ["namespaces", "rm", "words1"],
  ["images", "import", archive],
  ["images", "ls", "-q"],
  ...filters.map((filter) => ["images", "ls", "-q", filter]),
  ["images", "label", image, "k=v"],
  ["images", "label", "nothere", "k=v"],
  ["images", "tag", image, "other:1"],
  ["images", "tag", image, "other:1"],
  ["images", "tag", "--force", image, "other:1"],
  ["images", "tag", "nothere", "x:1"],
  ["images", "rm", "nothere"],
  ["images", "rm", "other:1", "nothere"],
  ["images", "check", "-q"],
  ["images", "export", join(folder, "out.tar"), "nothere"],
  ["images", "import", "/etc/passwd"],
  ["content", "ls", "size>1"],
  ["content", "ls", "-q", "size"],
  ["content", "get", digest],
  ["content", "get", "bad"],
  ["content", "rm", digest],
  ["content", "label", digest, "a=b"],
  ["content", "ingest", "--expected-digest", digest, "ref1"],
  ["content", "ingest", "--expected-size", "3", "ref1"],
  ["leases", "create", "--id", "l1", "a=b"],
  ["leases", "create", "--id", "l1"],
  ["leases", "ls", "-q", "id==l1"],
  ["leases", "ls", "bogus("],
  ["leases", "rm", "l1"],
  ["leases", "rm", "l1"],
  ["containers", "info", "nothere"],
  ["containers", "rm", "nothere"],
  ["containers", "label", "nothere", "a=b"],
  ["containers", "ls", "id="],
  ["containers", "create", image, "c1", "true"],
  ["containers", "create", image, "c1", "true"],
  ["containers", "create", "nothere", "c2", "true"],
  ["containers", "create", "--snapshotter", "nosuch", image, "c3"],
  ["containers", "create", "--runtime", "io.containerd.nosuch.v1", image, "c4"],
  ["containers", "ls", "-q", "image~=busybox,runtime.name==io.containerd.runc.v2"],
  ["containers", "ls", "-q", "snapshotter==overlayfs"],
  ["containers", "label", "c1", "foo=bar"],
  ["tasks", "start", "c4"],
  ...["kill", "rm", "ps", "metrics", "pause", "resume", "attach", "checkpoint", "start"].map((verb) => [
    "tasks",
    verb,
    "nothere",
  ]),
  ...["kill", "rm", "ps", "metrics", "pause", "attach"].map((verb) => ["tasks", verb, "c1"]),
  ["tasks", "exec", "--exec-id", "e", "c1", "true"],
  ["run", "--rm", image, "r1", "echo", "hi"],
  ["run", "--rm", image, "r2", "nosuchcommand"],
  ["run", "--rm", image, "r3", "false"],
  ["run", "--rm", "--runtime", "io.containerd.nosuch.v1", image, "r5"],
  ["run", "--rm", "--runtime", "nosuch", image, "r6"],
  ["run", "--rm", "--runtime", "/nonexistent/shim", image, "r7"],
  ["run", "--rm", "--runc-binary", "/nonexistent", image, "r8"],
  ["run", "--rm", "--cwd", "/nothere", image, "r9", "pwd"],
  ["run", "--rm", "--mount", "type=bind,src=/nonexistent,dst=/x", image, "r10", "true"],
  ["run", "-d", image, "d1", "sleep", "100"],
  ["run", "-d", image, "d1", "sleep", "100"],
  ["tasks", "rm", "d1"],
  ["tasks", "exec", "--exec-id", "e1", "d1", "echo", "x"],
  ["tasks", "exec", "--exec-id", "e1", "d1", "nosuch"],
  ["tasks", "exec", "--exec-id", "", "d1", "true"],
  ["tasks", "exec", "--exec-id", "e3", "--cwd", "/nothere", "d1", "true"],
  ["tasks", "start", "d1"],
  ["tasks", "resume", "d1"],
  ["tasks", "pause", "d1"],
  ["tasks", "pause", "d1"],
  ["tasks", "resume", "d1"],
  ["tasks", "kill", "-s", "FOO", "d1"],
  ["tasks", "kill", "--exec-id", "nothere", "d1"],
  ["tasks", "rm", "--exec-id", "nothere", "d1"],
  ["tasks", "kill", "-s", "9", "d1"],
  ["until stopped", "d1"],
  ["tasks", "kill", "-s", "9", "d1"],
  ["tasks", "exec", "--exec-id", "e5", "d1", "true"],
  ["tasks", "pause", "d1"],
  ["tasks", "rm", "d1"],
  ["containers", "rm", "d1", "c1", "c3", "c4"],
  ["snapshots", "info", "nothere"],
  ["snapshots", "rm", "nothere"],
  ["snapshots", "mounts", "/x", "nothere"],
  ["snapshots", "prepare", "s1"],
  ["snapshots", "prepare", "s1"],
  ["snapshots", "prepare", "s2", "noparent"],
  ["snapshots", "view", "v1", "s1"],
  ["snapshots", "commit", "c1", "s1"],
  ["snapshots", "commit", "c1", "nothere"],
  ["snapshots", "prepare", "a1", "c1"],
  ["snapshots", "commit", "c1", "a1"],
  ["snapshots", "rm", "c1"],
  ["snapshots", "usage", "nothere"],
  ["snapshots", "label", "nothere", "a=b"],
  ["snapshots", "diff", "nothere"],
  ["snapshots", "unpack", digest],
  ["snapshots", "--snapshotter", "nosuch", "ls"],
  ["snapshots", "rm", "a1"],
  ["snapshots", "rm", "c1"],
  ["plugins", "ls", "-q", "id==overlayfs"],
  ["plugins", "ls", "bogus=="],
  ["events", "bogus("],
];

interface Subject extends AsyncDisposable {
  readonly address: string;
  readonly dir: string;
}

describe("ctr says the same of berthd as of containerd", () => {
  let original: Subject;
  let ours: Subject;
  before(async () => {
    await writeBusyboxImage(archive, { format: "oci", name: image, config: { Env: ["PATH=/bin"] } });
    original = await startContainerd();
    ours = await startBerthd();
  });
  after(async () => {
    await ours?.[Symbol.asyncDispose]();
    await original?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const ctr = (subject: Subject, namespace: string, args: readonly string[]) =>
    new Promise<string>((resolve) => {
      const all = ["--address", subject.address, "--namespace", namespace, ...args];
      const child = execFile("/usr/bin/ctr", all, { timeout: 60_000, killSignal: "SIGKILL" }, (error, out, err) =>
        resolve(`status ${error === null ? 0 : (error.code ?? error.signal)}\n${out}${err}`),
      );
      // Only `content ingest` reads it; a command that has ended already wants nothing.
      child.stdin?.on("error", () => {});
      child.stdin?.end("hello");
    });
  const said = async (subject: Subject, namespace: string, args: readonly string[]): Promise<string> => {
    if (args[0] === "until stopped") {
      const stopped = async () => /STOPPED/.test(await ctr(subject, namespace, ["tasks", "ls"]));
      await until(stopped, "the task has stopped");
      return "";
    }
    return normalised(await ctr(subject, namespace, args), subject, namespace);
  };
  for (const args of commands)
    it(args.join(" "), async () => {
      const wanted = await said(original, `words-c-${process.pid}`, args);
      assert.equal(await said(ours, `words-b-${process.pid}`, args), wanted);
    });
});

/** Without what is nobody's choice: directories, namespaces, times, numbers of snapshots, a kind that is said twice. */
function normalised(text: string, subject: Subject, namespace: string): string {
  return (
    text
      .replaceAll(subject.dir, "DIR")
      .replaceAll(namespace, "NS")
      .replace(/NS\/\d+\//g, "NS/N/")
      .replace(/time="[^"]*"/g, "time=T")
      .replace(/elapsed: .*/g, "elapsed")
      .replace(/took \S+/g, "took T")
      .replace(/\(\d\S*\)/g, "(T)")
      .replace(/(: invalid argument)+$/gm, ": invalid argument")
      // Labels come in the order of a Go map.
      .replace(/^[^\s,]+=[^\s,]*(,[^\s,]+=[^\s,]*)+$/gm, (labels) => labels.split(",").sort().join(","))
  );
}
