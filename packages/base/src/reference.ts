// Names of images as users write them (https://pkg.go.dev/github.com/distribution/reference describes the grammar).
import { isDigest } from "./digest.ts";
import { invalidArgument } from "./errors.ts";

/** An image reference, taken apart. */
export interface Reference {
  /** `docker.io` */
  readonly domain: string;
  /** `library/busybox` */
  readonly path: string;
  /** `latest`; empty for none. */
  readonly tag: string;
  /** `sha256:…`; empty for none. */
  readonly digest: string;
}

const DEFAULT_DOMAIN = "docker.io";
const MAX_NAME = 255;
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const label = "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])";
const domainPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:.]+\\])(?::[0-9]+)?$`);
const tagPattern = /^\w[\w.-]{0,127}$/;

/**
 * Takes a reference apart as docker does: a first part without a dot, a colon or `localhost` is no domain, and
 * what has no domain is on docker.io, in `library/` where it is one part. Throws invalid-argument.
 */
export function parseReference(text: string): Reference {
  const fail = (why: string): never => {
    throw invalidArgument(`image reference ${JSON.stringify(text.slice(0, 300))} is invalid: ${why}`);
  };
  if (text === "") fail("it is empty");
  if (/^[a-f0-9]{64}$/.test(text)) fail("64 hex digits are an id, not a name");
  const [named = "", digest = "", ...more] = text.split("@");
  if (more.length > 0 || (text.includes("@") && !isDigest(digest))) fail("what follows @ must be a sha256 digest");
  const { domain, remainder } = splitDomain(named);
  const colon = remainder.indexOf(":");
  const path = colon < 0 ? remainder : remainder.slice(0, colon);
  const tag = colon < 0 ? "" : remainder.slice(colon + 1);
  if (colon >= 0 && !tagPattern.test(tag)) fail("a tag is up to 128 letters, digits, _, . and -");
  if (!domainPattern.test(domain)) fail("its registry is not a host name");
  if (path !== path.toLowerCase()) fail("the repository name must be in lower case");
  if (!pathPattern.test(path)) fail("use lower case letters and digits, joined by ., _, __ or -, parted by /");
  if (domain.length + 1 + path.length > MAX_NAME) fail(`its name is longer than ${MAX_NAME} characters`);
  return { domain, path, tag, digest };
}

function splitDomain(name: string): { domain: string; remainder: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const domain = isDomain ? first : DEFAULT_DOMAIN;
  const remainder = isDomain ? name.slice(slash + 1) : name;
  if (domain !== DEFAULT_DOMAIN && domain !== "index.docker.io") return { domain, remainder };
  return { domain: DEFAULT_DOMAIN, remainder: remainder.includes("/") ? remainder : `library/${remainder}` };
}

/**
 * The full name that a user means: `busybox` is `docker.io/library/busybox:latest`. Without tag and digest it is
 * the latest. Throws invalid-argument.
 */
export function normalizeReference(text: string): string {
  const { domain, path, tag, digest } = parseReference(text);
  const suffix = `${tag && `:${tag}`}${digest && `@${digest}`}`;
  return `${domain}/${path}${suffix || ":latest"}`;
}

/** The shortest that means the same to a user: `docker.io/library/busybox:latest` is `busybox`. What is no reference stays. */
export function familiarName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, "").replace(/:latest$/, "");
}
