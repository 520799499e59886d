// docker's config.json and containers' auth.json, as far as they are about credentials: containers-auth.json(5),
// https://github.com/docker/cli/blob/master/cli/config/configfile/file.go.
import { type BerthError, type Credentials, failedPrecondition } from "@berth/base";
import { decodeBase64 } from "./base64.ts";
import type { Helper } from "./credential-helper.ts";
import { nameOf, serverOf } from "./registry-name.ts";

type Json = Readonly<Record<string, unknown>>;

/** A file that is JSON. What of it is wrong besides that, is told when that part is wanted. */
export interface CredentialFile {
  readonly path: string;
  readonly text: string;
  readonly content: Json;
}

/** An empty file is one without credentials. Throws failed-precondition. */
export function parseCredentialFile(path: string, text: string): CredentialFile {
  let content: unknown = {};
  try {
    if (text.trim() !== "") content = JSON.parse(text);
  } catch {
    // The engine's reason may quote a password.
    throw broken(path, "it is not JSON");
  }
  return { path, text, content: objectAt(path, "its content", content) };
}

/** The entries by key. Throws failed-precondition. */
export const entriesOf = ({ path, content }: CredentialFile): Json => objectAt(path, '"auths"', content.auths);

/** The keys of what the file itself has for a registry or repository, the one that counts first. */
export const keysFor = (file: CredentialFile, name: string): string[] => matching(entriesOf(file), name);

/** Keys that stand for the name: docker's own spelling, then others in the order of the file. */
function matching(given: Json, name: string): string[] {
  const keys = Object.keys(given).filter((key) => nameOf(key) === name);
  const first = serverOf(name);
  return keys.includes(first) ? [first, ...keys.filter((key) => key !== first)] : keys;
}

/** The helper that the file names for a host; null for none, which `""` says as well. Throws failed-precondition. */
export function helperIn({ path, content }: CredentialFile, host: string): Helper | null {
  const helpers = objectAt(path, '"credHelpers"', content.credHelpers);
  const [key] = matching(helpers, host);
  const where = key === undefined ? '"credsStore"' : `the helper for ${JSON.stringify(key)}`;
  const name = textAt(path, where, key === undefined ? content.credsStore : helpers[key]);
  if (name === "") return null;
  if (!/^[\w.-]+$/.test(name)) throw broken(path, `${where} is no name of a program`);
  return { program: `docker-credential-${name}`, file: path };
}

/**
 * What the file itself has for exactly this registry or repository. Null without a password or token: docker leaves
 * an empty entry for what a helper keeps. Throws failed-precondition.
 */
export function credentialsIn(file: CredentialFile, name: string): Credentials | null {
  const entries = entriesOf(file);
  for (const key of keysFor(file, name)) {
    const found = entryOf(file.path, key, entries[key]);
    if (found !== null) return found;
  }
  return null;
}

function entryOf(path: string, key: string, value: unknown): Credentials | null {
  const where = `the entry for ${JSON.stringify(key)}`;
  const entry = objectAt(path, where, value);
  const field = (name: string): string => textAt(path, `"${name}" in ${where}`, entry[name]);
  const [registryToken, identityToken, auth] = [field("registrytoken"), field("identitytoken"), field("auth")];
  if (registryToken !== "") return { kind: "registry-token", token: registryToken };
  if (identityToken !== "") return { kind: "identity-token", token: identityToken };
  let [user, password] = [field("username"), field("password")];
  if (auth !== "") {
    const text = textInBase64(auth);
    const colon = text?.indexOf(":") ?? -1;
    if (text === null || colon < 1) throw broken(path, `"auth" in ${where} is not USER:PASSWORD in base64`);
    user = text.slice(0, colon);
    password = text.slice(colon + 1).replace(/^\0+|\0+$/g, ""); // as docker has it
  }
  return user === "" || password === "" ? null : { kind: "password", user, password };
}

function textInBase64(digits: string): string | null {
  const bytes = decodeBase64(digits);
  try {
    return bytes && new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Where Go has a struct or a map, null and nothing at all are an empty one. */
function objectAt(path: string, where: string, value: unknown): Json {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw broken(path, `${where} is no JSON object`);
  return value as Json;
}

function textAt(path: string, where: string, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw broken(path, `${where} is no JSON string`);
  return value;
}

const broken = (path: string, why: string): BerthError =>
  failedPrecondition(
    `cannot take credentials from ${path}: ${why}: correct the file, or move it away and log in again`,
  );
