import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseFlags } from "@berth/shim";

describe("flags", () => {
  it("reads what containerd 1.6 sends", () => {
    const flags = parseFlags(
      "-namespace default -address /run/c.sock -publish-binary /usr/bin/containerd -id web -bundle /b -debug start".split(
        " ",
      ),
    );
    assert.deepEqual(
      { ...flags },
      {
        debug: true,
        version: false,
        info: false,
        namespace: "default",
        id: "web",
        bundle: "/b",
        address: "/run/c.sock",
        socket: "",
        debugSocket: "",
        log: "",
        maxSize: "0",
        maxFile: "1",
        action: "start",
        rest: [],
      },
    );
  });
  it("takes two dashes and values behind an equals sign", () => {
    const flags = parseFlags(["--id=web", "--namespace", "k8s.io", "-debug=false", "delete"]);
    assert.equal(flags.id, "web");
    assert.equal(flags.namespace, "k8s.io");
    assert.equal(flags.debug, false);
    assert.equal(flags.action, "delete");
  });
  it("takes a log and its limits in any order, as Go passes on a logger's query", () => {
    const { log, maxSize, maxFile, action } = parseFlags(["-max-file", "3", "-log", "/l", "-max-size", "65536"]);
    assert.deepEqual([log, maxSize, maxFile, action], ["/l", "65536", "3", ""]);
  });
  it("stops at the first word that is no flag, and at two dashes", () => {
    assert.equal(parseFlags(["start", "-id", "x"]).id, "");
    assert.equal(parseFlags(["-id", "x", "--", "start"]).action, "start");
  });
  for (const word of ["-v", "--version", "-v=true"])
    it(`asks for the version with ${word}`, () => assert.equal(parseFlags([word]).version, true));
  it("refuses what it does not know, and a flag without its value", () => {
    assert.throws(() => parseFlags(["-nope"]), /flag provided but not defined: -nope/);
    assert.throws(() => parseFlags(["-toString"]), /flag provided but not defined/);
    assert.throws(() => parseFlags(["-id"]), /flag needs an argument: -id/);
    assert.throws(() => parseFlags(["-debug=maybe"]), /takes true or false/);
  });
});
