// `oci-hook` of containerd, and then ours: the program gets the same arguments, or both refuse.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { berthdPath } from "../support/berthd.ts";

const bundle = mkdtempSync("/tmp/berth-hook-");
mkdirSync(join(bundle, "absolute"));
writeFileSync(join(bundle, "config.json"), '{"ociVersion":"1.0.2","root":{"path":"rootfs"}}');
writeFileSync(join(bundle, "absolute/config.json"), '{"root":{"path":"/abs/root"}}');
after(() => rmSync(bundle, { recursive: true }));

const state = { ociVersion: "1.0.2", id: "web", status: "running", pid: 42, bundle, annotations: { "a.b/c": "val" } };

interface Ended {
  readonly status: number;
  readonly stdout: string;
}

const hook = (program: string, args: readonly string[], input: string): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(program, ["oci-hook", ...args], (error, stdout) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout }),
    );
    child.stdin?.on("error", () => {}); // one that refuses its arguments reads no state
    child.stdin?.end(input);
  });

const all = ["{{id}}", "{{ bundle }}", "{{rootfs}}", "{{pid}}", "{{status}}", '{{annotation "a.b/c"}}'];

describe("an OCI hook", () => {
  for (const [what, args, input] of [
    ["gets what it asks for", ["--", "/bin/echo", ...all, '[{{annotation "none"}}]', "x{{id}}y{{pid}}"], state],
    ["gets its own flags as they are", ["/bin/echo", "-n", "--config", "x", "{{id}}"], state],
    ["has white space trimmed", ["/bin/echo", "{{- id -}}", "a  {{- id -}}  b", "{{/* c */}}z", "}}"], state],
    ["may quote", ["/bin/echo", "{{annotation `a.b/c`}}", '{{"lit"}}', "{{id}}{{id}}"], state],
    ["gets nothing of what the state lacks", ["/bin/echo", "{{pid}}", "[{{status}}]"], { id: "web", bundle }],
    ["gets an absolute root as it is", ["/bin/echo", "{{rootfs}}"], { ...state, bundle: join(bundle, "absolute") }],
    ["has no more of the state to read", ["/bin/sh", "-c", "cat; exit 7"], state],
    ["refuses a function that is none", ["/bin/echo", "{{nope}}"], state],
    ["refuses an action that does not end", ["/bin/echo", "{{id"], state],
    ["refuses an annotation without a key", ["/bin/echo", "{{annotation}}"], state],
    ["refuses a program that is not there", ["/nonexistent"], state],
    ["does not look for its program along PATH", ["echo", "hi"], state],
    ["refuses a bundle that is not there", ["/bin/echo", "x"], { ...state, bundle: "/nonexistent" }],
    ["refuses a state that is none", ["/bin/echo", "x"], "{"],
    ["refuses a state that is empty", ["/bin/echo", "x"], ""],
  ] as const)
    it(what, async () => {
      const text = typeof input === "string" ? input : JSON.stringify(input);
      const theirs = await hook("/usr/bin/containerd", args, text);
      assert.deepEqual(await hook(berthdPath, args, text), theirs);
    });

  it("without a program is refused, where containerd panics", async () => {
    assert.deepEqual(await hook(berthdPath, [], JSON.stringify(state)), { status: 1, stdout: "" });
  });
});
