// Wrong requests: code and the part of the text that people and clients look for; and nothing is left behind.
import assert from "node:assert/strict";
import type { ErrorKind } from "@berth/base";
import { wrongCalls } from "./bad-input-calls.ts";
import { outcomeOf } from "./expect.ts";
import { area, scenario } from "./scenario.ts";

/** `any` where the code is the daemon's own affair. */
const expected: Readonly<Record<string, readonly [ErrorKind | "any", RegExp]>> = {
  "create with options of an unknown type": ["unknown", /type with url test\.Unknown: not found/],
  "create with options that are garbage": ["unknown", /wire ?type/i],
  "create with a runtime that is not there": [
    "unknown",
    /failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \(open \/.*\/log\.json: no such file or directory\): exec: "no-such-runc": executable file not found in \$PATH: unknown$/,
  ],
  "create with a runtime path that is not there": [
    "unknown",
    /failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \(open \/.*\/log\.json: no such file or directory\): fork\/exec \/no\/such\/runc: no such file or directory: unknown$/,
  ],
  "create with a runtime that is a folder": [
    "unknown",
    /failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error \(open \/.*\/log\.json: no such file or directory\): fork\/exec \/etc: permission denied: unknown$/,
  ],
  "create with systemd's cgroups, which are not there": [
    "unknown",
    /^failed to create shim task: OCI runtime create failed: runc create failed: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got .* instead: unknown$/,
  ],
  "create with a shim cgroup that is not there": ["unknown", /failed to load cgroup \/no\/such\/cgroup: /],
  "create of a specification that is no JSON": ["unknown", /failed to start shim: /],
  "create of an empty specification": ["unknown", /failed to start shim: /],
  "create of a specification that is another JSON": ["unknown", /cannot unmarshal array|not a container spec/],
  "create of a specification without a process": [
    "unknown",
    /^failed to create shim task: OCI runtime create failed: runc create failed: process property must not be empty: unknown$/,
  ],
  "create of a specification without root": [
    "unknown",
    /^failed to create shim task: OCI runtime create failed: runc create failed: root must be specified: unknown$/,
  ],
  "create with an unknown namespace type": [
    "unknown",
    /^failed to create shim task: OCI runtime create failed: runc create failed: namespace {"moon" ""} does not exist: unknown$/,
  ],
  "create with a rootfs that is not there": [
    "unknown",
    /^failed to create shim task: failed to mount rootfs component &{bind \/no\/such\/rootfs \[rbind ro\]}: no such file or directory: unknown$/,
  ],
  "create with an unknown file system": [
    "unknown",
    /^failed to create shim task: failed to mount rootfs component &{moonfs none \[\]}: no such device: unknown$/,
  ],
  "create with a rootfs that is a file": [
    "unknown",
    /^failed to create shim task: failed to mount rootfs component &{bind \/etc\/passwd \[rbind ro\]}: not a directory: unknown$/,
  ],
  "create with stdout in a folder that is not there": [
    "unknown",
    /^failed to create shim task: .*open "?\/.*\/no\/(out|err)"?: no such file or directory: unknown$/,
  ],
  "create with a file that is a folder": [
    "unknown",
    /^failed to create shim task: .*open .*: is a directory: unknown$/,
  ],
  "create with stdin that is not there": [
    "unknown",
    /^failed to create shim task: .*\/no-in"?: no such file or directory: unknown$/,
  ],
  "create with a terminal and no terminal in the specification": [
    "unknown",
    /OCI runtime create failed: runc create failed: cannot use console socket if runc will not detach or allocate tty/,
  ],
  "create of an unknown container": ["not-found", /^container "ghost" in namespace ".*": not found$/],
  "create without an id": ["any", /./],
  "create of an invalid id": ["any", /\.\.\/x/],
  "a call without a namespace": ["failed-precondition", /namespace is required/],
  "a call in an invalid namespace": ["invalid-argument", /"no good"/],
  "a runtime name without a dot": ["any", /runtime name "?runc/],
  "a runtime that is not installed": ["any", /io\.containerd\.nothere\.v1/],
  "a runtime path that is not there": ["any", /\/no\/such\/shim/],
  "exec with a specification that is no JSON": ["unknown", /^invalid character .*: unknown$/],
  "exec with an empty specification": ["unknown", /^unexpected end of JSON input: unknown$/],
  "exec with a specification of an unknown type": ["unknown", /^invalid character .*: unknown$/],
  "exec without an id": ["invalid-argument", /^exec id cannot be empty$/],
  "exec of an invalid id": ["invalid-argument", /\.\.\/x/],
  "exec of an id that is too long": ["invalid-argument", /76 characters/],
  "exec with 5 MiB of specification": [
    "unknown",
    /^message length 52\d+ exceed maximum message size of 4194304: unknown$/,
  ],
  "exec with 17 MiB of specification": ["resource-exhausted", /larger than 16777216/],
  "update with garbage": ["unknown", /^invalid character .*: unknown$/],
  "update of an unknown type": ["unknown", /^invalid character .*: unknown$/],
  "update with a limit that cannot be": [
    "unknown",
    /^runc did not terminate successfully: exit status 1: unable to set memory limit to 4096 \(current usage: \d+, peak usage: \d+\)\n?: unknown$/,
  ],
  "checkpoint with options of an unknown type": ["unknown", /type with url test\.Unknown: not found/],
  "checkpoint of a container that was only created": [
    "unknown",
    /^cannot checkpoint a task in created state: unknown$/,
  ],
  "metrics with a filter that is none": ["any", /filters: parse error/],
};

export const badInput = area("bad input", [
  ...Object.entries(expected).map(([title, [kind, text]]) =>
    scenario(title, async (w) => {
      const outcome = await outcomeOf(wrongCalls[title]?.(w) ?? Promise.resolve());
      const [code = "", message = ""] = outcome.split(/ \| (.*)/s);
      assert.match(message, text, outcome);
      if (kind !== "any") assert.equal(code, kind, outcome);
    }),
  ),
  scenario("nothing is left of a create that failed, and the next one succeeds", async (w) => {
    const box = await w.box(["true"], { id: w.newId() });
    for (const request of [
      { rootfs: [{ type: "moonfs", source: "none", target: "", options: [] }] },
      { stdout: "/no/such/out", stderr: "/no/such/err" },
    ])
      assert.notEqual(await outcomeOf(box.create(request)), "ok");
    await box.up();
    assert.equal(await box.wait(), 0);
    await box.delete();
  }),
]);
