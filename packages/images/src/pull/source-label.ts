import type { Labels } from "@berth/base";

/** The registry and repository that a blob was pulled from. */
export interface Source {
  /** `docker.io`, `localhost:5000` */
  readonly domain: string;
  readonly path: string;
}

/** The label of containerd's client: a push mounts from these repositories what it need not send. Ports are not told apart. */
export const sourceKey = ({ domain }: Source): string =>
  `containerd.io/distribution.source.${domain.replace(/:\d+$/, "")}`;

/** Longest value and key together that containerd takes for a label. */
const LONGEST = 4_096;

/** The labels with one more repository in the list, which is sorted; the same where it does not fit. */
export function withSource(labels: Labels, source: Source): Labels {
  const key = sourceKey(source);
  const before = labels[key] ?? "";
  const all = [...new Set([...before.split(","), source.path])].filter((path) => path !== "").sort();
  const value = all.join(",");
  return key.length + value.length > LONGEST ? labels : { ...labels, [key]: value };
}
