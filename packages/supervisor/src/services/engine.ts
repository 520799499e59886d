// berth.v1.Engine: containers from images and options, so that clients need no knowledge of specs,
// snapshots or log files. One file a method in engine/.
import type { Engine } from "@berth/proto/berth/v1";
import type { ServiceImpl } from "@berth/rpc";
import { checkImages } from "./engine/check-images.ts";
import { createContainer } from "./engine/create-container.ts";
import { createExec } from "./engine/create-exec.ts";
import { createTask } from "./engine/create-task.ts";
import { importImage } from "./engine/import-image.ts";
import { inspectContainer } from "./engine/inspect-container.ts";
import { listContainers } from "./engine/list-containers.ts";
import { listImages } from "./engine/list-images.ts";
import type { EngineNeeds } from "./engine/needs.ts";
import { readLogs } from "./engine/read-logs.ts";
import { removeContainer } from "./engine/remove-container.ts";
import { stopContainer } from "./engine/stop-container.ts";
import { waitContainer } from "./engine/wait-container.ts";

export function engineService(needs: EngineNeeds): ServiceImpl<typeof Engine> {
  return {
    createContainer: (req, call) => createContainer(needs, req, call),
    createTask: (req, call) => createTask(needs, req, call),
    createExec: (req, call) => createExec(needs, req, call),
    stopContainer: (req, call) => stopContainer(needs, req, call),
    waitContainer: (req, call) => waitContainer(needs, req, call),
    removeContainer: (req, call) => removeContainer(needs, req, call),
    listContainers: (req, call) => listContainers(needs, req.filters, call),
    listImages: (req, call) => listImages(needs.store.images, req.filters, call),
    inspectContainer: async (req, call) => ({ json: await inspectContainer(needs, req.id, call) }),
    readLogs: (req, call) => readLogs(needs, req, call),
    importImage: (requests, call) => importImage(needs, requests, call),
    checkImages: (req, call) => checkImages(needs, req, call),
  };
}
