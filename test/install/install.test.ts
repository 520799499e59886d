// What the README says of installing, done on a machine that has nothing of the checkout afterwards.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { removeCgroups } from "../docker/cgroups.ts";
import { removeLeftovers } from "../support/daemon.ts";
import { writeBusyboxImage } from "../support/image.ts";

const top = resolve(import.meta.dirname, "../..");
const image = "docker.io/library/busybox:latest";

/** The lines of the README but for systemd's own, which test/vm has. */
function installLines(): { here: string; systemd: string[] } {
  const [, block = ""] =
    /<!-- install:start -->\n```sh\n(.*?)```\n<!-- install:end -->/s.exec(
      readFileSync(join(top, "README.md"), "utf8"),
    ) ?? [];
  const lines = block.split("\n").filter((line) => line !== "");
  const isSystemd = (line: string) => line.startsWith("systemctl ");
  return { here: lines.filter((line) => !isSystemd(line)).join("\n"), systemd: lines.filter(isSystemd) };
}

it("what the README copies is a whole berth, and the unit starts it", async () => {
  const { here, systemd } = installLines();
  assert.deepEqual(systemd, ["systemctl enable --now berth"]);
  const dir = mkdtempSync("/run/berth-in-");
  const namespace = `install${process.pid}`;
  try {
    await writeBusyboxImage(join(dir, "image.tar"), { format: "oci", name: image });
    const script = `set -eu
mkdir -p /etc/systemd/system
mount -t tmpfs tmpfs /usr/local
mount -t tmpfs tmpfs /etc/systemd/system
cd ${top}
${here}
cd /
mount -t tmpfs tmpfs ${top}
start=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/berth.service)
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin BERTH_ADDRESS=${dir}/b.sock BERTH_NAMESPACE=${namespace}
NODE_DEBUG_NATIVE=COMPILE_CACHE $start --config /dev/null --address $BERTH_ADDRESS --root ${dir}/root --state ${dir}/state 2>${dir}/log &
until berth version >/dev/null 2>&1; do kill -0 $!; sleep 0.05; done
berth --version
berth image import ${dir}/image.tar
berth run --rm busybox echo from the installed one
berth run -d --name left busybox sleep 1000
berth rm -f left
kill -TERM $!
wait $!
`;
    const { status, stdout, stderr } = spawnSync(
      "/usr/bin/unshare",
      ["-m", "--propagation", "private", "sh", "-c", script],
      {
        encoding: "utf8",
      },
    );
    assert.equal(
      status,
      0,
      `${stderr}\n${stdout}\n${spawnSync("cat", [join(dir, "log")], { encoding: "utf8" }).stdout}`,
    );
    assert.equal(stdout, `berth 0.1.0\n${image}\nfrom the installed one\nleft\nleft\n`);
    // Where it was copied to, it takes the code that the build has compiled, and writes none.
    const words = readFileSync(join(dir, "log"), "utf8").match(/^\[compile cache\] .*$/gm) ?? [];
    const taken = words.filter((line) => line.includes("V8 code cache for"));
    assert.ok(
      taken.some((line) => /\/usr\/local\/.*\/serve-\w+\.mjs was accepted/.test(line)),
      words.join("\n"),
    );
    assert.deepEqual(
      taken.filter((line) => !line.includes("was accepted")),
      [],
    );
    assert.deepEqual(
      words.filter((line) => /^\[compile cache\] (writing|Renam)/i.test(line)),
      [],
    );
  } finally {
    await removeLeftovers(dir);
    await removeCgroups(namespace);
    rmSync(dir, { recursive: true, force: true });
  }
});
