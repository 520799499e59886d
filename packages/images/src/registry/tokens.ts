// Access tokens of a registry's token server (https://distribution.github.io/distribution/spec/auth/token/), kept until
// they expire.
import { BerthError, unavailable } from "@berth/base";
import type { JsonObject } from "../json.ts";
import { member, stringOf } from "../json.ts";
import { readBody } from "./body.ts";
import { type Connecting, type Http, type HttpResponse, originOf } from "./http.ts";
import type { Credentials } from "./types.ts";

/** What a token is asked for: the parameters of a Bearer challenge. */
export interface TokenWish {
  readonly realm: string;
  readonly service: string;
  /** Parted by blanks: `repository:library/busybox:pull`. */
  readonly scope: string;
}

export interface Token {
  readonly value: string;
  /** Of performance.now(). */
  readonly expiresAt: number;
  /** With which further tokens can be had; "" where none was given. */
  readonly refreshToken: string;
}

const CLIENT_ID = "berth";
const LARGEST_ANSWER = 1 << 20;
/** Of a token whose server does not say (the specification's minimum). */
const LIFETIME_S = 60;
/** A token is not used in its last moments: a request takes some time to arrive. */
const MARGIN_S = 5;

/**
 * unauthenticated where the credentials are refused, unavailable where there is no answer that can be understood. `offline`
 * asks for a refresh token as well.
 */
export async function fetchToken(
  http: Http,
  connecting: Connecting,
  wish: TokenWish,
  credentials: Credentials | null,
  { signal, offline = false }: { readonly signal: AbortSignal; readonly offline?: boolean },
): Promise<Token> {
  const realm = URL.parse(wish.realm);
  if (realm === null || !["http:", "https:"].includes(realm.protocol))
    throw unavailable(`it sends for a token to ${JSON.stringify(wish.realm.slice(0, 200))}, which is no address`);
  const response =
    credentials?.kind === "identity-token"
      ? await byRefreshToken(http, connecting, wish, credentials.token, signal)
      : await byPassword(http, connecting, realm, wish, credentials, { signal, offline });
  const { status } = response;
  const what = `token server ${originOf(wish.realm)}`;
  const answer = await readBody(response.body, LARGEST_ANSWER, `the answer of ${what}`);
  if (status === 401 || status === 403 || (status === 400 && credentials !== null))
    throw new BerthError(
      "unauthenticated",
      credentials === null ? `${what} gives nobody a token who has not logged in` : `${what} refuses the credentials`,
    );
  if (status !== 200) throw unavailable(`${what} answers ${status}`);
  return tokenOf(parsed(answer, what), what);
}

async function byPassword(
  http: Http,
  connecting: Connecting,
  realm: URL,
  { service, scope }: TokenWish,
  credentials: Exclude<Credentials, { kind: "identity-token" }> | null,
  { signal, offline }: { readonly signal: AbortSignal; readonly offline: boolean },
): Promise<HttpResponse> {
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  for (const one of scope.split(" ")) if (one !== "") url.searchParams.append("scope", one);
  const headers: Record<string, string> = { accept: "application/json" };
  if (credentials?.kind === "password") {
    url.searchParams.set("account", credentials.user);
    headers.authorization = basic(credentials);
    if (offline) {
      url.searchParams.set("offline_token", "true");
      url.searchParams.set("client_id", CLIENT_ID);
    }
  }
  return await http.request(connecting, { method: "GET", url: url.href, headers, signal });
}

/** OAuth2 (https://distribution.github.io/distribution/spec/auth/oauth/). */
const byRefreshToken = (
  http: Http,
  connecting: Connecting,
  { realm, service, scope }: TokenWish,
  token: string,
  signal: AbortSignal,
): Promise<HttpResponse> =>
  http.request(connecting, {
    method: "POST",
    url: realm,
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      grant_type: "refresh_token",
      service,
      client_id: CLIENT_ID,
      scope,
      refresh_token: token,
    }).toString(),
    signal,
  });

function parsed(bytes: Uint8Array, what: string): JsonObject {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null) return value as JsonObject;
  } catch {
    // Said below.
  }
  throw unavailable(`${what} answers with something that is no token`);
}

function tokenOf(answer: JsonObject, what: string): Token {
  const value = stringOf(answer, "token", what) || stringOf(answer, "access_token", what);
  if (value === "") throw unavailable(`${what} answers without a token`);
  const told = member(answer, "expires_in");
  const seconds = typeof told === "number" && told > 0 ? told : LIFETIME_S;
  return {
    value,
    expiresAt: performance.now() + Math.max(0, seconds - MARGIN_S) * 1000,
    refreshToken: stringOf(answer, "refresh_token", what),
  };
}

export const basic = ({ user, password }: { readonly user: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
