// Changes to the text of a credential file, which keep whatever else it says, the order of its keys and its indentation.
import { encodeBase64 } from "./base64.ts";
import { type CredentialFile, entriesOf, keysFor } from "./credential-file.ts";
import type { Login } from "./credential-helper.ts";
import { serverOf } from "./registry-name.ts";

/** The text with these credentials, in place of all that it had for the host. Throws failed-precondition. */
export function withCredentials(file: CredentialFile, host: string, login: Login): string {
  return withEntries(file, { ...entriesWithout(file, host, serverOf(host)), [serverOf(host)]: entryFor(login) });
}

/** The text with nothing for the host, whatever was wrong with it; null if there was nothing. Throws failed-precondition. */
export function withoutCredentials(file: CredentialFile, host: string): string | null {
  return keysFor(file, host).length === 0 ? null : withEntries(file, entriesWithout(file, host, null));
}

/** A token gets a user, because skopeo passes over an entry without: https://docs.docker.com/reference/cli/docker/login/ */
function entryFor(login: Login): Readonly<Record<string, string>> {
  const auth = (user: string, password: string): string =>
    encodeBase64(new TextEncoder().encode(`${user}:${password}`));
  return login.kind === "password"
    ? { auth: auth(login.user, login.password) }
    : { auth: auth("<token>", ""), identitytoken: login.token };
}

function entriesWithout(file: CredentialFile, host: string, except: string | null): Record<string, unknown> {
  const keys = keysFor(file, host);
  const kept = Object.entries(entriesOf(file)).filter(([key]) => key === except || !keys.includes(key));
  return Object.fromEntries(kept);
}

function withEntries({ text, content }: CredentialFile, auths: Readonly<Record<string, unknown>>): string {
  const indent = Object.keys(content).length === 0 ? "\t" : (/^\s*\{\s*?\n([ \t]+)/.exec(text)?.[1] ?? "");
  const end = text === "" ? "\n" : text.slice(text.trimEnd().length);
  return `${JSON.stringify({ ...content, auths }, null, indent)}${end}`;
}
