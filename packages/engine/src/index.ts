export { type AutoRemoval, removeWhenEnded } from "./containers/auto-remove.ts";
export type { ContainerState } from "./containers/container-state.ts";
export { createContainer } from "./containers/create-container.ts";
export { createExec } from "./containers/create-exec.ts";
export { createTask } from "./containers/create-task.ts";
export { defaultsOf, type EngineDeps, filesBelow, logsBelow, type RemovalDeps } from "./containers/deps.ts";
export { finishSteps, untilStarted } from "./containers/finish.ts";
export { type ContainerDetails, inspectContainer } from "./containers/inspect-container.ts";
export { type ContainerSummary, listContainers } from "./containers/list-containers.ts";
export { type ReadContainerLog, readContainerLog } from "./containers/read-container-log.ts";
export { removeContainer } from "./containers/remove-container.ts";
export { type RunStage, runContainer } from "./containers/run-container.ts";
export { type StopContainer, stopContainer } from "./containers/stop-container.ts";
export { waitContainer } from "./containers/wait-container.ts";
export { stringifyExact } from "./exact-json.ts";
export { filesOf, removeFiles } from "./files/container-files.ts";
export { type CheckProgress, checkImages } from "./images/check-images.ts";
export { exportImages } from "./images/export-images.ts";
export { follow } from "./images/follow.ts";
export { imageHistory } from "./images/image-history.ts";
export { type ImageTree, imageTrees, type TreeNode } from "./images/image-trees.ts";
export { imageUsage } from "./images/image-usage.ts";
export { pruneImages } from "./images/prune-images.ts";
export { type PullImage, pullImage } from "./images/pull-image.ts";
export { type PushImage, pushImage } from "./images/push-image.ts";
export { tagImage } from "./images/tag-image.ts";
export { createLives, type Lives, type Name } from "./lives.ts";
export { drainCommandOf } from "./logs/drain-command.ts";
export type { LogChanges, LogPlace } from "./logs/read-log.ts";
export type { OciMount, OciSpec } from "./oci.ts";
export { defaultSpec } from "./spec/default-spec.ts";
export type { ReadRootFile } from "./spec/find-user.ts";
export { checkpointTask } from "./tasks/checkpoint-task.ts";
export { findTask } from "./tasks/find-task.ts";
export { makeTask } from "./tasks/make-task.ts";
export { startTask } from "./tasks/start-task.ts";
export { listTasks, taskMetrics, taskState } from "./tasks/task-state.ts";
export type {
  Caller,
  ContainerOptions,
  ExecOptions,
  NewContainer,
  NewExec,
  NewTask,
  Stdio,
  UserMount,
} from "./types.ts";
