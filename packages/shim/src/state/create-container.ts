import { BerthError, checkId, invalidArgument, messageOf, notFound, unknownError } from "@berth/base";
import { exists, isCode, stat } from "@berth/host";
import { TaskCreate } from "@berth/proto/containerd/events";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { CreateTaskRequest } from "@berth/proto/containerd/task/v2";
import { optionsOfRequest } from "../bootstrap.ts";
import { type Bundle, bundleAt } from "../bundle/bundle.ts";
import type { BundleConfig } from "../bundle/bundle-config.ts";
import { readBundleConfig, readPidFile, saveOptions } from "../bundle/bundle-files.ts";
import { cgroupMoveSoon } from "../cgroup/cgroup-moves.ts";
import { cgroupOfPid } from "../cgroup/cgroup-reader.ts";
import { followOom } from "../cgroup/oom.ts";
import { joinPath } from "../paths.ts";
import { checkRootLinks } from "../runtime/root-links.ts";
import { mountRootfs, unmountAll } from "../runtime/rootfs.ts";
import { programOf } from "../runtime/runc.ts";
import { openStdio } from "../stdio/open-stdio.ts";
import { type Container, newContainer } from "./container.ts";
import { followExit } from "./exits.ts";
import type { Keeper } from "./keeper.ts";
import { createProcess } from "./process.ts";

/** Makes the container, up to its init waiting to be started. Nothing of it is left where this fails. */
export async function createContainer(keeper: Keeper, request: CreateTaskRequest): Promise<Container> {
  const { id } = request;
  checkId("container", id);
  if (!request.bundle.startsWith("/"))
    throw invalidArgument(
      `container ${JSON.stringify(id)}: bundle ${JSON.stringify(request.bundle)} is no absolute path`,
    );
  if (stat(request.bundle)?.kind !== "directory") throw notFound("bundle", request.bundle);
  if (keeper.closing)
    throw new BerthError("unavailable", `container ${JSON.stringify(id)}: this shim is shutting down`);
  if (keeper.containers.has(id) || keeper.creating.has(id))
    throw new BerthError("already-exists", `container ${JSON.stringify(id)}: already exists`);
  keeper.creating.add(id);
  try {
    cgroupMoveSoon();
    const container = await create(keeper, request);
    keeper.containers.set(id, container);
    keeper.events.publish("/tasks/create", TaskCreate, {
      containerId: id,
      bundle: request.bundle,
      rootfs: request.rootfs,
      io: { stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, terminal: request.terminal },
      checkpoint: request.checkpoint,
      pid: container.init.state.pid,
    });
    return container;
  } finally {
    keeper.creating.delete(id);
  }
}

/**
 * Daemons tell a runtime that is not `io.containerd.runc.v2` by name nothing of the cgroup driver, and write the path
 * for it all the same.
 */
const assumedOptions = ({ systemdCgroup }: InitConfig): Options => ({ ...Options.create(), systemdCgroup });

async function create(keeper: Keeper, request: CreateTaskRequest): Promise<Container> {
  const { id, checkpoint } = request;
  const bundle = bundleAt(request.bundle);
  const asked = optionsOfRequest(request.options) ?? keeper.options;
  const config = configOf(bundle);
  const options = asked ?? assumedOptions(config);
  saveOptions(bundle, options);
  const { terminal, stdin, stdout, stderr } = request;
  const init = createProcess({ kind: "init", execId: "", terminal, stdin, stdout, stderr });
  const container = newContainer(
    {
      id,
      bundle,
      init,
      privatePids: config.privatePids,
      ioUid: options.ioUid,
      ioGid: options.ioGid,
      checkpoint,
      criuWorkPath: options.criuWorkPath || (exists(bundle.work) ? bundle.work : bundle.path),
    },
    {
      id,
      namespace: keeper.namespace,
      bundle: bundle.path,
      logFile: bundle.runtimeLog,
      options,
      program: programOf(options),
    },
  );
  await mountRootfs(bundle.rootfs, request.rootfs);
  let made = false;
  try {
    checkRootLinks(config.root.startsWith("/") ? config.root : joinPath(bundle.path, config.root), config.plainPaths);
    init.stdio = await openStdio(keeper, container, init);
    if (checkpoint === "") {
      await (await container.runc()).create({
        bundle: bundle.path,
        pidFile: bundle.initPid,
        stdio: init.stdio.child,
        consoleSocket: init.stdio.consoleSocket,
      });
      made = true;
      const pid = readPid(bundle.initPid);
      init.state = { at: "created", pid };
      await init.stdio.launched();
      container.cgroup = cgroupOfPid(pid);
      followOom(keeper, container);
      followExit(keeper, container, init, pid);
    }
    return container;
  } catch (error) {
    await undo(keeper, container, made);
    throw error;
  }
}

async function undo(keeper: Keeper, container: Container, made: boolean): Promise<void> {
  const { log } = keeper;
  try {
    if (made) await (await container.runc()).delete(true);
  } catch (error) {
    log.warn("a container that could not be created is left in the runtime", { container: container.id, err: error });
  }
  container.oom?.close();
  await container.init.stdio?.close();
  try {
    unmountAll(container.bundle.rootfs);
  } catch (error) {
    log.warn("rootfs could not be unmounted", { container: container.id, err: error });
  }
}

/** The pid that the runtime has written. */
export function readPid(path: string): number {
  const pid = readPidFile(path);
  if (pid <= 0)
    throw new BerthError("unknown", `failed to retrieve OCI runtime container pid: none in ${path}: unknown`);
  return pid;
}

type InitConfig = Omit<BundleConfig, "group">;

const noConfig: InitConfig = { privatePids: false, systemdCgroup: false, root: "rootfs", plainPaths: [] };

function configOf(bundle: Bundle): InitConfig {
  try {
    return readBundleConfig(bundle);
  } catch (error) {
    // The runtime says better what is wrong with it. Should it take it all the same, no namespace can be counted on.
    if (isCode(error, "ENOENT") || error instanceof SyntaxError) return noConfig;
    throw unknownError(`the specification cannot be read: ${messageOf(error)}: unknown`, { cause: error });
  }
}
