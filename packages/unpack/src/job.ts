// What berth-unpack is asked to do: JSON on its stdin, from the supervisor.
import { invalidArgument, type Mount } from "@berth/base";

export interface ApplyJob {
  /** Path of the layer's blob. */
  readonly blob: string;
  /** Names the layer in errors: its digest. */
  readonly name: string;
  readonly mounts: readonly Mount[];
  /** A directory that only root can enter, to mount on. It may be shared: the mounts are private to the process. */
  readonly mountPoint: string;
  /** Cap on the bytes of the uncompressed tar; 0 for none. */
  readonly maxBytes: number;
  /** Whether what was written must be on the disk before the answer. */
  readonly sync: boolean;
}

export interface DiffJob {
  readonly lower: readonly Mount[];
  readonly upper: readonly Mount[];
  /** A directory that only root can enter; `lower` and `upper` are made in it. */
  readonly mountPoint: string;
  readonly compression: "none" | "gzip" | "zstd";
}

export interface ProbeJob {
  /** An empty one, on the file system in question. */
  readonly directory: string;
  /** Of the overlay, besides its directories. */
  readonly options: readonly string[];
}

export const parseApplyJob = (text: string): ApplyJob => {
  const job = objectOf(text);
  return {
    blob: stringOf(job, "blob"),
    name: stringOf(job, "name"),
    mounts: mountsOf(job, "mounts"),
    mountPoint: stringOf(job, "mountPoint"),
    maxBytes: typeof job.maxBytes === "number" ? job.maxBytes : 0,
    sync: job.sync !== false,
  };
};

export const parseDiffJob = (text: string): DiffJob => {
  const job = objectOf(text);
  const compression = stringOf(job, "compression");
  if (compression !== "none" && compression !== "gzip" && compression !== "zstd")
    throw invalidArgument(`compression ${JSON.stringify(compression)} is unknown: use none, gzip or zstd`);
  return {
    lower: mountsOf(job, "lower"),
    upper: mountsOf(job, "upper"),
    mountPoint: stringOf(job, "mountPoint"),
    compression,
  };
};

export const parseProbeJob = (text: string): ProbeJob => {
  const job = objectOf(text);
  return { directory: stringOf(job, "directory"), options: optionsOf(job, "the job") };
};

function objectOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidArgument("the job on stdin is not JSON", { cause });
  }
  return recordOf(value, "the job on stdin");
}

function recordOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidArgument(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function stringOf(job: Record<string, unknown>, key: string): string {
  const value = job[key];
  if (typeof value !== "string") throw invalidArgument(`the job's ${key} is not a string`);
  return value;
}

function mountsOf(job: Record<string, unknown>, key: string): Mount[] {
  const value = job[key];
  if (!Array.isArray(value)) throw invalidArgument(`the job's ${key} is not a list`);
  return value.map((item: unknown) => {
    const mount = recordOf(item, `a mount in the job's ${key}`);
    return {
      type: stringOf(mount, "type"),
      source: stringOf(mount, "source"),
      target: typeof mount.target === "string" ? mount.target : "",
      options: optionsOf(mount, `a mount in the job's ${key}`),
    };
  });
}

function optionsOf({ options }: Record<string, unknown>, what: string): string[] {
  if (!Array.isArray(options) || !options.every((option) => typeof option === "string"))
    throw invalidArgument(`${what} has options that are no list of strings`);
  return options;
}
