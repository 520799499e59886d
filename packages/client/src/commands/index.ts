import type { AnyCommand } from "../cli/command.ts";

/** A command that is loaded when it is wanted: a start pays for no other. */
export interface CommandEntry {
  readonly name: string;
  load(): Promise<AnyCommand>;
}

/** In the order of the help. */
export const commands: readonly CommandEntry[] = [
  { name: "run", load: async () => (await import("./run.ts")).run },
  { name: "exec", load: async () => (await import("./exec.ts")).exec },
  { name: "ps", load: async () => (await import("./ps.ts")).ps },
  { name: "logs", load: async () => (await import("./logs.ts")).logs },
  { name: "inspect", load: async () => (await import("./inspect.ts")).inspect },
  { name: "events", load: async () => (await import("./events.ts")).events },
  { name: "start", load: async () => (await import("./start.ts")).start },
  { name: "stop", load: async () => (await import("./stop.ts")).stop },
  { name: "kill", load: async () => (await import("./kill.ts")).kill },
  { name: "wait", load: async () => (await import("./wait.ts")).wait },
  { name: "rm", load: async () => (await import("./rm.ts")).rm },
  { name: "pull", load: async () => (await import("./pull.ts")).pull },
  { name: "push", load: async () => (await import("./push.ts")).push },
  { name: "load", load: async () => (await import("./load.ts")).load },
  { name: "save", load: async () => (await import("./image-save.ts")).save },
  { name: "tag", load: async () => (await import("./image-tag.ts")).tag },
  { name: "image import", load: async () => (await import("./image-import.ts")).imageImport },
  { name: "image ls", load: async () => (await import("./image-ls.ts")).imageLs },
  { name: "image rm", load: async () => (await import("./image-rm.ts")).imageRm },
  { name: "image tag", load: async () => (await import("./image-tag.ts")).imageTag },
  { name: "image history", load: async () => (await import("./image-history.ts")).imageHistory },
  { name: "image tree", load: async () => (await import("./image-tree.ts")).imageTree },
  { name: "image usage", load: async () => (await import("./image-usage.ts")).imageUsage },
  { name: "image prune", load: async () => (await import("./image-prune.ts")).imagePrune },
  { name: "image save", load: async () => (await import("./image-save.ts")).imageSave },
  { name: "image check", load: async () => (await import("./image-check.ts")).imageCheck },
  { name: "registry explain", load: async () => (await import("./registry-explain.ts")).registryExplain },
  { name: "login", load: async () => (await import("./login.ts")).login },
  { name: "logout", load: async () => (await import("./logout.ts")).logout },
  { name: "version", load: async () => (await import("./version.ts")).version },
];
