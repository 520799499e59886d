// dockerd 28 with its images in the daemon below it, and buildkit in it: first on the release's containerd, then on
// berthd with the same list.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { removeCgroups } from "../docker/cgroups.ts";
import { berthdPath } from "../support/berthd.ts";
import { commandOf } from "../support/command.ts";
import { type Daemon, daemonOf } from "../support/daemon.ts";
import { writeBusyboxImage } from "../support/image.ts";
import { leftOut, surroundingsOf } from "./debian.ts";

const packages = ["docker.io", "docker-cli", "docker-buildx", "iptables"];

/** Two stages, a cache that both builds see, a user that is no root, a file that is deleted again. */
const dockerfile = (round: number): string => `
FROM busybox:test AS one
RUN --mount=type=cache,target=/cache echo ${round} >> /cache/rounds && cp /cache/rounds /rounds
RUN mkdir /made && echo built > /made/out && echo no > /made/gone
FROM busybox:test
COPY --from=one /made /made
COPY --from=one /rounds /rounds
COPY given /given
RUN rm /made/gone && chown -R 7:8 /made
USER 7:8
CMD ["sh", "-c", "id -u; cat /made/out /given /rounds; ls /made"]
`;

for (const below of ["containerd", "berthd"] as const)
  describe(`docker build on the image store of ${below}`, { skip: leftOut, timeout: 600_000 }, () => {
    const undo = new AsyncDisposableStack();
    const cgroupParent = `/dkb-${process.pid}-${below}`;
    let docker: (...args: string[]) => Promise<string>;
    let folder: string;
    let daemons: Daemon[];

    before(async () => {
      const { dir, inside, beside } = undo.use(await surroundingsOf("sid", packages));
      const address = join(dir, "c.sock");
      const host = `unix://${join(dir, "d.sock")}`;
      const config = join(dir, "config.toml");
      writeFileSync(config, configText(dir, address));
      writeFileSync(join(dir, "daemon.json"), JSON.stringify({ features: { "containerd-snapshotter": true } }));
      const [client = "", ...rest] = inside("docker", "--host", host);
      const run = commandOf({ program: client, env: process.env });
      docker = async (...args) => {
        const { code, stdout, stderr } = await run(...rest, ...args);
        if (code !== 0)
          throw new Error(
            `docker ${args.join(" ")} ended with ${code}: ${stderr}\n${daemons.map((one) => one.log().slice(-3000)).join("\n")}`,
          );
        return stdout.trim();
      };
      const flags = [
        ...["--config-file", join(dir, "daemon.json"), "--host", host, "--pidfile", join(dir, "d.pid")],
        ...["--data-root", join(dir, "docker"), "--exec-root", join(dir, "exec"), "--cgroup-parent", cgroupParent],
        ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--containerd", address],
      ];
      const daemon = (name: string, argv: readonly string[], answers: () => Promise<unknown>) => {
        const [command = "", ...args] = argv;
        const made = daemonOf({ command, args, logFile: join(dir, `${name}.log`), answers });
        undo.defer(() => made.end("SIGTERM"));
        return made;
      };
      const ctr = commandOf({ program: "/usr/bin/ctr", env: process.env });
      const lower = daemon(
        below,
        below === "berthd" ? beside(berthdPath, "--config", config) : inside("containerd", "--config", config),
        async () => {
          const { code, stderr } = await ctr("--address", address, "version");
          if (code !== 0) throw new Error(stderr);
        },
      );
      const upper = daemon("dockerd", inside("dockerd", ...flags), async () => {
        const { code, stderr } = await run(...rest, "version");
        if (code !== 0) throw new Error(stderr);
      });
      undo.defer(() => removeCgroups(cgroupParent));
      daemons = [lower, upper];
      await lower.start();
      await upper.start();
      folder = join(dir, "build");
      mkdirSync(folder);
      writeBusyboxImage(join(dir, "busybox.tar"), { format: "docker", name: "busybox:test" });
      await docker("load", "--input", join(dir, "busybox.tar"));
    });
    after(() => undo.disposeAsync());

    const build = async (tag: string, round: number, given: string): Promise<void> => {
      writeFileSync(join(folder, "Dockerfile"), dockerfile(round));
      writeFileSync(join(folder, "given"), given);
      await docker("build", "--progress=plain", "--network=none", "--tag", tag, folder);
    };
    const output = (tag: string) => docker("run", "--rm", "--pull=never", "--network=none", tag);

    it("keeps its images there", async () => {
      assert.match(await docker("info", "--format", "{{json .DriverStatus}}"), /io\.containerd\.snapshotter\.v1/);
      assert.equal(
        await docker("run", "--rm", "--pull=never", "--network=none", "busybox:test", "echo", "hello"),
        "hello",
      );
    });

    it("builds two stages with a cache, and runs what was built", async () => {
      await build("built:1", 1, "one\n");
      assert.equal(await output("built:1"), "7\nbuilt\none\n1\nout");
    });

    it("builds again from what it has", async () => {
      await build("built:2", 1, "two\n");
      assert.equal(await output("built:2"), "7\nbuilt\ntwo\n1\nout");
      await build("built:3", 2, "two\n");
      assert.equal(await output("built:3"), "7\nbuilt\ntwo\n1\n2\nout");
    });

    it("exports, removes and loads what was built", async () => {
      const archive = join(folder, "built.tar");
      await docker("save", "--output", archive, "built:3");
      await docker("image", "rm", "built:1", "built:2", "built:3");
      await docker("load", "--input", archive);
      assert.equal(await output("built:3"), "7\nbuilt\ntwo\n1\n2\nout");
    });

    it("gives up what a build has kept", async () => {
      await docker("builder", "prune", "--all", "--force");
      assert.equal(await output("built:3"), "7\nbuilt\ntwo\n1\n2\nout");
    });
  });

const configText = (dir: string, address: string): string => `
version = 2
root = ${JSON.stringify(join(dir, "root"))}
state = ${JSON.stringify(join(dir, "state"))}
[grpc]
  address = ${JSON.stringify(address)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${JSON.stringify(join(dir, "opt"))}
`;
