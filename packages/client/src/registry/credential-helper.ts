// What is said to a credential helper, and what its answers mean. The protocol:
// https://github.com/docker/docker-credential-helpers#development
import { BerthError, type Credentials } from "@berth/base";
import { printable } from "../print/table.ts";

/** A program that keeps credentials, and the file that names it. */
export interface Helper {
  /** `docker-credential-pass` */
  readonly program: string;
  readonly file: string;
}

/** Credentials that can be saved: a helper has no word for an access token, which would not last either. */
export type Login = Exclude<Credentials, { kind: "registry-token" }>;

/** Runs the helper with this on its stdin. Resolves to its answer, null if it has no such credentials. Throws unauthenticated. */
export type AskHelper = (helper: Helper, verb: "get" | "store" | "erase", input: string) => Promise<string | null>;

export interface HelperResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Instead of a user, where the secret is an identity token. */
const TOKEN_USER = "<token>";
const LONGEST_QUOTE = 300;

export const helperFailed = ({ program, file }: Helper, why: string): BerthError =>
  new BerthError("unauthenticated", `credential helper ${program}, which ${file} names, ${why}`);

/** What a helper has answered; null if it has no such credentials. Throws unauthenticated if it has failed. */
export function answerOf(helper: Helper, { status, stdout, stderr }: HelperResult): string | null {
  if (status === 0) return stdout;
  // Helpers put their errors on stdout. This one they share to the word, up to "in native keychain".
  if (/^\s*credentials not found/i.test(stdout)) return null;
  const said = printable(`${stdout} ${stderr}`.trim().replace(/\s+/g, " ")).slice(0, LONGEST_QUOTE);
  throw helperFailed(helper, `failed: ${said === "" ? `it ended with ${status} and said nothing` : said}`);
}

/** The credentials in the answer to `get`; null if they are empty. Throws unauthenticated. */
export function credentialsOf(helper: Helper, answer: string): Credentials | null {
  let given: unknown;
  try {
    given = JSON.parse(answer);
  } catch {
    // Treated like any other answer that is not the one. It is not quoted: it may hold a password.
  }
  const { Username: user, Secret: secret } = (given ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof user !== "string" || typeof secret !== "string")
    throw helperFailed(helper, 'has not answered with {"Username": …, "Secret": …}: is it one for docker?');
  if (secret === "") return null;
  return user === TOKEN_USER ? { kind: "identity-token", token: secret } : { kind: "password", user, password: secret };
}

/** What `store` reads. */
export function storeInput(server: string, login: Login): string {
  const [user, secret] = login.kind === "password" ? [login.user, login.password] : [TOKEN_USER, login.token];
  return JSON.stringify({ ServerURL: server, Username: user, Secret: secret });
}
