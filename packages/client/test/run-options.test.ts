import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArgs } from "../src/cli/args.ts";
import { parseMount, parseVolume } from "../src/cli/mount-option.ts";
import { containerRequest, runOptions } from "../src/cli/run-options.ts";
import { UsageError } from "../src/cli/usage-error.ts";

const around = {
  env: (name: string) => (name === "HOME" ? "/home/me" : null),
  cwd: () => "/work",
  readText: (path: string) => {
    if (path === "/profile.json") return "{}";
    throw new Error(`open ${path}: no such file or directory`);
  },
};
const request = (...args: string[]) => {
  const { values, rest } = parseArgs(runOptions, args, { upToFirst: true });
  return containerRequest(values, rest, around);
};
const fails = (message: RegExp, act: () => unknown) =>
  assert.throws(act, (error) => error instanceof UsageError && message.test(error.message));

describe("berth run", () => {
  it("asks for what the options say", () => {
    const made = request(
      ..."--rm -it --name web -e A=1 -e HOME -e NOPE -v ./data:/data:ro --memory 512m --cpus 1.5 --pids-limit 9".split(
        " ",
      ),
      ..."--label a=b=c --label d --security-opt seccomp=/profile.json --cap-add NET_ADMIN -w /srv busybox sh -c".split(
        " ",
      ),
      "echo -n",
    );
    assert.equal(made.id, "web");
    assert.equal(made.image, "busybox");
    assert.deepEqual(made.args, ["sh", "-c", "echo -n"]);
    assert.deepEqual(made.env, ["A=1", "HOME=/home/me"]);
    assert.equal(made.terminal, true);
    assert.deepEqual(made.mounts, [
      { type: "bind", source: "/work/data", destination: "/data", options: ["rbind", "ro"] },
    ]);
    assert.deepEqual([made.memoryLimit, made.cpus, made.pidsLimit], [512 * 1024 * 1024, 1.5, 9]);
    assert.deepEqual({ ...made.labels }, { a: "b=c", d: "" });
    assert.deepEqual(made.securityOpt, ["seccomp={}"]);
    assert.deepEqual(made.capAdd, ["NET_ADMIN"]);
    assert.equal(made.cwd, "/srv");
  });

  it("leaves the removal to berthd where nobody waits for the end", () => {
    assert.equal(request("-d", "--rm", "busybox").autoRemove, true);
    assert.equal(request("--rm", "busybox").autoRemove, false);
    assert.equal(request("-d", "busybox").autoRemove, false);
  });

  it("refuses what makes no sense, naming it", () => {
    fails(/image to run is missing/, () => request("--rm"));
    fails(/option --env: "=x" has no name/, () => request("-e", "=x", "busybox"));
    fails(/option --cpus: "two" is not a number/, () => request("--cpus", "two", "busybox"));
    fails(/option --volume: "data:\/data": write a directory as \.\/data/, () =>
      request("-v", "data:/data", "busybox"),
    );
    fails(/option --security-opt: cannot read the profile: open \/nope/, () =>
      request("--security-opt", "seccomp=/nope", "busybox"),
    );
  });
});

describe("mounts", () => {
  it("a volume is a recursive bind unless it says otherwise", () => {
    assert.deepEqual(parseVolume("/a:/b", "/"), { type: "bind", source: "/a", destination: "/b", options: ["rbind"] });
    assert.deepEqual(parseVolume("/a:/b:bind,ro", "/").options, ["bind", "ro"]);
    assert.equal(parseVolume(".:/b", "/work").source, "/work");
    assert.equal(parseVolume("./x:/b", "/").source, "/x");
  });

  it("--mount takes its parts in any order and by their other names", () => {
    assert.deepEqual(parseMount("dst=/tmp,type=tmpfs,options=size=64m:mode=700", "/"), {
      type: "tmpfs",
      source: "tmpfs",
      destination: "/tmp",
      options: ["size=64m", "mode=700"],
    });
    assert.deepEqual(parseMount("src=/a,target=/b,ro", "/").options, ["rbind", "ro"]);
    assert.deepEqual(parseMount("src=/a,target=/b,readonly=false", "/").options, ["rbind"]);
  });

  it("what is wrong is named", () => {
    fails(/"\/a" is no SOURCE:TARGET/, () => parseVolume("/a", "/"));
    fails(/target "b" must be a full path/, () => parseVolume("/a:b", "/"));
    fails(/"sorce" is unknown/, () => parseMount("sorce=/a", "/"));
    fails(/readonly is "yes": write readonly/, () => parseMount("src=/a,target=/b,readonly=yes", "/"));
    fails(/target is missing/, () => parseMount("type=tmpfs", "/"));
    fails(/source is missing/, () => parseMount("target=/b", "/"));
  });
});
