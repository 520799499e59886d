// berth.v1.Engine: containers from images and options, so that clients need no knowledge of specs,
// snapshots or log files. What each method does is in packages/engine.
import {
  checkImages,
  createContainer,
  createExec,
  createTask,
  type EngineDeps,
  inspectContainer,
  listContainers,
  readContainerLog,
  removeContainer,
  stopContainer,
  waitContainer,
} from "@berth/engine";
import type { ImageCheck } from "@berth/images";
import { packAny, toTimestamp } from "@berth/proto";
import { type Engine, LogStream } from "@berth/proto/berth/v1";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { ServiceImpl } from "@berth/rpc";
import { timestampOf } from "./convert-common.ts";
import { containerDetails, containerSummary, shortened, sizeOfSummary } from "./convert-engine.ts";
import { imageToProto } from "./convert-image.ts";
import { importImage } from "./import-image.ts";
import { inBlocks, sizeWithLabels } from "./in-blocks.ts";

const streams = {
  stdout: LogStream.LOG_STREAM_STDOUT,
  stderr: LogStream.LOG_STREAM_STDERR,
  berth: LogStream.LOG_STREAM_BERTH,
} as const;

export function engineService(deps: EngineDeps): ServiceImpl<typeof Engine> {
  return {
    async createContainer({ runtimeBinary, ...wanted }, call) {
      const runtimeOptions = runtimeBinary === "" ? null : packAny(Options, { binaryName: runtimeBinary });
      return await createContainer(deps, { ...wanted, runtimeOptions }, call);
    },
    createTask: async (req, call) => ({ pid: (await createTask(deps, req, call)).pid }),
    createExec: async (req, call) => ({ execId: await createExec(deps, req, call) }),
    async stopContainer(req, call) {
      const { status, at } = await stopContainer(deps, req, call);
      return { exitStatus: status, exitedAt: toTimestamp(at) };
    },
    async waitContainer({ id }, call) {
      const { status, at, outOfMemory } = await waitContainer(deps, id, call);
      return { exitStatus: status, exitedAt: timestampOf(at === 0n ? null : at), outOfMemory };
    },
    async removeContainer(req, call) {
      await removeContainer(deps, req, call);
      return {};
    },
    async *listContainers({ filters }, call) {
      const summaries = (await listContainers(deps, filters, call)).map(containerSummary);
      for (const containers of inBlocks(summaries.map(shortened), sizeOfSummary)) yield { containers };
    },
    async *listImages({ filters }, call) {
      const images = deps.store.images.list(call, filters).map(imageToProto);
      for (const block of inBlocks(images, sizeOfImage)) yield { images: block };
    },
    inspectContainer: async ({ id }, call) => ({
      json: containerDetails(call.namespace, await inspectContainer(deps, id, call)),
    }),
    async *readLogs(req, call) {
      for await (const { stream, data, position } of readContainerLog(deps, req, call))
        yield { stream: streams[stream], data, position };
    },
    importImage: (requests, call) => importImage(deps, requests, call),
    async *checkImages(req, call) {
      for await (const told of checkImages(deps, req, call))
        yield "result" in told ? { result: checkToProto(told.result) } : told;
    },
  };
}

const sizeOfImage = ({ labels, target }: ReturnType<typeof imageToProto>): number =>
  sizeWithLabels({ labels }) + sizeWithLabels({ labels: target?.annotations ?? {} });

const checkToProto = ({ name, digest, state, problems, repaired }: ImageCheck) => ({
  name,
  digest,
  state,
  problems: [...problems],
  repaired: [...repaired],
});
