// A user's credentials: looked up for pulls, saved and removed by `berth login` and `berth logout`.
import type { Credentials } from "@berth/base";
import { type CredentialFile, credentialsIn, helperIn, keysFor, parseCredentialFile } from "./credential-file.ts";
import { type AskHelper, credentialsOf, type Login, storeInput } from "./credential-helper.ts";
import { withCredentials, withoutCredentials } from "./edit-credential-file.ts";
import { hostOf, nameOf, prefixesOf, serverOf } from "./registry-name.ts";

/** The files and programs of a user. */
export interface CredentialDeps {
  /** The files that may have credentials, in the order in which they are asked; a login is saved in the first. */
  readonly paths: readonly [string, ...string[]];
  /** The text of a file, null if there is none. Throws failed-precondition. */
  read(path: string): string | null;
  /** For its user alone. Throws failed-precondition. */
  write(path: string, text: string): void;
  readonly askHelper: AskHelper;
}

/** Asks a registry whether it takes a login. Resolves to what is to be saved, which may be a token in place of the password. */
export type Verify = (host: string, login: Login) => Promise<Login>;

/**
 * What a host is shown for a repository (`quay.io/org/app`; a mirror's host has only credentials of its own), from the first file
 * that has anything. In a file the helper for the host is asked first, then come the file's own entries, the longest first.
 * Throws failed-precondition for a file that is broken, unauthenticated for a helper that fails.
 */
export async function findCredentials(
  host: string,
  repository: string,
  deps: CredentialDeps,
): Promise<Credentials | null> {
  const [server, wanted] = [nameOf(host), nameOf(repository)];
  const name = hostOf(wanted) === server ? wanted : server;
  for (const path of deps.paths) {
    const file = open(path, deps);
    const found = (await fromHelper(file, server, deps)) ?? fromEntries(file, name);
    if (found !== null) return found;
  }
  return null;
}

async function fromHelper(
  file: CredentialFile,
  host: string,
  { askHelper }: CredentialDeps,
): Promise<Credentials | null> {
  const helper = helperIn(file, host);
  if (helper === null) return null;
  const answer = await askHelper(helper, "get", serverOf(host));
  return answer === null ? null : credentialsOf(helper, answer);
}

function fromEntries(file: CredentialFile, name: string): Credentials | null {
  for (const prefix of prefixesOf(name)) {
    const found = credentialsIn(file, prefix);
    if (found !== null) return found;
  }
  return null;
}

/** Throws what stands in the way of saving a login, before a person is asked for it. */
export function checkSavable(host: string, deps: CredentialDeps): void {
  const file = open(deps.paths[0], deps);
  helperIn(file, host);
  keysFor(file, host);
}

/** Saves a login, with the helper if the file names one for the host. Resolves to where it is: a file's path, or a program. */
export async function saveLogin(host: string, login: Login, deps: CredentialDeps): Promise<string> {
  const [path] = deps.paths;
  const file = open(path, deps);
  const helper = helperIn(file, host);
  if (helper === null) {
    deps.write(path, withCredentials(file, host, login));
    return path;
  }
  await deps.askHelper(helper, "store", storeInput(serverOf(host), login));
  removeEntries(file, host, deps);
  return helper.program;
}

/** Whether there was a login to be removed. Entries for single repositories stay: no login has made them. */
export async function removeLogin(host: string, deps: CredentialDeps): Promise<boolean> {
  const file = open(deps.paths[0], deps);
  const helper = helperIn(file, host);
  const erased = helper !== null && (await deps.askHelper(helper, "erase", serverOf(host))) !== null;
  return removeEntries(file, host, deps) || erased;
}

function removeEntries(file: CredentialFile, host: string, deps: CredentialDeps): boolean {
  const text = withoutCredentials(file, host);
  if (text !== null) deps.write(file.path, text);
  return text !== null;
}

/** Other files with an entry for the host, which a logout leaves to who has made it. */
export const othersWith = (host: string, deps: CredentialDeps): string[] =>
  deps.paths.slice(1).filter((path) => keysFor(open(path, deps), host).length > 0);

const open = (path: string, { read }: CredentialDeps): CredentialFile => parseCredentialFile(path, read(path) ?? "");
