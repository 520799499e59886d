export type { Applied } from "./apply.ts";
export type { Diffed } from "./diff.ts";
export type { ApplyJob, DiffJob } from "./job.ts";
