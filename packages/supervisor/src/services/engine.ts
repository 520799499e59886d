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
  type RunStage,
  readContainerLog,
  removeContainer,
  runContainer,
  stopContainer,
  waitContainer,
} from "@berth/engine";
import type { ImageCheck } from "@berth/images";
import { type Init, packAny, toTimestamp } from "@berth/proto";
import { CreateContainerRequest, type Engine, LogStream, type RunContainerResponse } from "@berth/proto/berth/v1";
import { Options } from "@berth/proto/containerd/runc/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { ExitRecord } from "@berth/store";
import { timestampOf } from "./convert-common.ts";
import { containerDetails, containerSummary, shortened, sizeOfSummary } from "./convert-engine.ts";
import { imageToProto } from "./convert-image.ts";
import { imageDetails } from "./image-details.ts";
import { importImage } from "./import-image.ts";
import { inBlocks, sizeWithLabels } from "./in-blocks.ts";
import { checkCredentials, explainRegistry } from "./registries.ts";
import { pullImage, pushImage } from "./transfer-image.ts";

const streams = {
  stdout: LogStream.LOG_STREAM_STDOUT,
  stderr: LogStream.LOG_STREAM_STDERR,
  berth: LogStream.LOG_STREAM_BERTH,
} as const;

export function engineService(deps: EngineDeps): ServiceImpl<typeof Engine> {
  return {
    async createContainer({ runtimeBinary, ...wanted }, call) {
      return await createContainer(deps, { ...wanted, runtimeOptions: optionsOf(runtimeBinary) }, call);
    },
    async *runContainer({ container, ...how }, call) {
      const { runtimeBinary, ...wanted } = container ?? CreateContainerRequest.create();
      const run = { ...how, container: { ...wanted, runtimeOptions: optionsOf(runtimeBinary) } };
      for await (const stage of runContainer(deps, run, call)) yield stageToProto(stage);
    },
    createTask: async (req, call) => ({ pid: (await createTask(deps, req, call)).pid }),
    createExec: async (req, call) => ({ execId: await createExec(deps, req, call) }),
    async stopContainer(req, call) {
      const { status, at } = await stopContainer(deps, req, call);
      return { exitStatus: status, exitedAt: toTimestamp(at) };
    },
    async waitContainer({ id }, call) {
      return exitToProto(await waitContainer(deps, id, call));
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
    pullImage: (requests, call) => pullImage(deps, requests, call),
    pushImage: (requests, call) => pushImage(deps, requests, call),
    explainRegistry: (req, call) => explainRegistry(deps.images, req, call),
    checkCredentials: (req, call) => checkCredentials(deps.images, req, call),
    importImage: (requests, call) => importImage(deps, requests, call),
    async *checkImages(req, call) {
      for await (const told of checkImages(deps, req, call))
        yield "result" in told ? { result: checkToProto(told.result) } : told;
    },
    ...imageDetails(deps),
  };
}

const optionsOf = (binaryName: string) => (binaryName === "" ? null : packAny(Options, { binaryName }));

const exitToProto = ({ status, at, outOfMemory }: ExitRecord) => ({
  exitStatus: status,
  exitedAt: timestampOf(at === 0n ? null : at),
  outOfMemory,
});

function stageToProto(stage: RunStage): Init<RunContainerResponse> {
  if (stage.at === "exited") return { exited: exitToProto(stage.exit) };
  return stage.at === "started"
    ? { started: { pid: stage.pid } }
    : { created: { id: stage.id, warnings: [...stage.warnings] } };
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
