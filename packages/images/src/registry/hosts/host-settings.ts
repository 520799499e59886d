// The keys that a server may have in hosts.toml (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
import { dirname, resolve } from "node:path";
import { parseGoDuration } from "@berth/base";
import type { Capability, Endpoint, TlsSettings } from "../types.ts";
import { flag, isTexts, optional, type Read, type Toml, table, text, texts } from "./fields.ts";
import { below, mustBe, type Place, wrong } from "./place.ts";

export interface HostSettings {
  readonly capabilities: ReadonlySet<Capability>;
  readonly ca: TlsSettings["ca"];
  readonly client: TlsSettings["client"];
  /** null where nothing is said of it. */
  readonly skipVerify: boolean | null;
  readonly headers: Endpoint["headers"];
  readonly overridePath: boolean;
  /** Milliseconds. */
  readonly dialTimeoutMs: number;
  /** The files that the keys above name, each with its key. */
  readonly files: readonly NamedFile[];
}

export interface NamedFile {
  readonly path: string;
  readonly place: Place;
}

/** The keys that `readSettings` reads. */
export const settingKeys: readonly string[] = [
  "capabilities",
  "ca",
  "client",
  "skip_verify",
  "header",
  "override_path",
  "dial_timeout",
];

export const everything: ReadonlySet<Capability> = new Set(["pull", "resolve", "push", "referrers"]);

const DIAL_TIMEOUT_MS = 30_000;
/** The longest that a timer of Node's can wait. */
const LONGEST_MS = 2 ** 31 - 1;

export const defaultSettings: HostSettings = {
  capabilities: everything,
  ca: [],
  client: [],
  skipVerify: null,
  headers: {},
  overridePath: false,
  dialTimeoutMs: DIAL_TIMEOUT_MS,
  files: [],
};

/** Throws invalid-argument with the place of what is wrong. */
export function readSettings(from: Toml, place: Place): HostSettings {
  const ca = optional(from, "ca", place, authorities) ?? [];
  const client = optional(from, "client", place, clients) ?? [];
  return {
    capabilities: optional(from, "capabilities", place, capabilities) ?? everything,
    ca,
    client,
    skipVerify: optional(from, "skip_verify", place, flag),
    headers: optional(from, "header", place, headers) ?? {},
    overridePath: optional(from, "override_path", place, flag) ?? false,
    dialTimeoutMs: optional(from, "dial_timeout", place, dialTimeout) ?? DIAL_TIMEOUT_MS,
    files: [
      ...ca.map((path) => ({ path, place: below(place, "ca") })),
      ...client
        .flatMap(({ certificate, key }) => (key === "" ? [certificate] : [certificate, key]))
        .map((path) => ({ path, place: below(place, "client") })),
    ],
  };
}

/** In any case; an empty list is all. `referrers` came later (https://github.com/containerd/containerd/pull/12309). */
const capabilities: Read<ReadonlySet<Capability>> = (value, place) => {
  const named = texts(value, place).map((name) => {
    const capability = [...everything].find((one) => one === name.toLowerCase());
    if (capability === undefined) throw mustBe(place, `a list of ${[...everything].join(", ")}`, name);
    return capability;
  });
  return named.length === 0 ? everything : new Set(named);
};

const authorities: Read<TlsSettings["ca"]> = (value, place) => {
  const paths = typeof value === "string" ? [value] : value;
  if (!isTexts(paths)) throw mustBe(place, "a path or a list of paths", value);
  return paths.map((path) => absolute(path, place));
};

const clients: Read<TlsSettings["client"]> = (value, place) => {
  if (typeof value !== "string" && !Array.isArray(value)) throw mustBe(place, clientForms, value);
  return [value].flat().map((item: unknown) => {
    const pair = typeof item === "string" ? [item, ""] : item;
    if (!isTexts(pair) || pair.length !== 2) throw wrong(place, `must be ${clientForms}`);
    const [certificate = "", key = ""] = pair;
    // containerd makes "" the file's own directory, against its documentation, and fails.
    return { certificate: absolute(certificate, place), key: key === "" ? "" : absolute(key, place) };
  });
};

const clientForms = "a path, a list of paths, or a list of pairs of paths, of a certificate and of its key";

function absolute(path: string, place: Place): string {
  if (path === "" || path.includes("\0")) throw mustBe(place, "the path of a file", path);
  return resolve(dirname(place.file), path);
}

const dialTimeout: Read<number> = (value, place) => {
  const written = text(value, place);
  if (written === "") return DIAL_TIMEOUT_MS;
  const ms = parseGoDuration(written);
  if (ms === null || ms < 0) throw mustBe(place, 'a duration such as "500ms" or "30s"', written);
  // As in Go's dialer, none is no limit.
  return ms === 0 ? LONGEST_MS : Math.min(Math.max(Math.round(ms), 1), LONGEST_MS);
};

const nameShape = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const valueShape = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Values may be secret: they are in no sentence. */
export const headers: Read<Endpoint["headers"]> = (value, place) => {
  const read = new Map<string, readonly string[]>();
  for (const [name, given] of Object.entries(table(value, place))) {
    const values = typeof given === "string" ? [given] : given;
    if (!nameShape.test(name)) throw wrong(below(place, name), "must be the name of a header, such as x-name");
    if (!isTexts(values) || !values.every((one) => valueShape.test(one)))
      throw wrong(below(place, name), "must be a string or a list of strings, without line ends");
    read.set(name.toLowerCase(), [...(read.get(name.toLowerCase()) ?? []), ...values]);
  }
  return Object.fromEntries(read);
};
