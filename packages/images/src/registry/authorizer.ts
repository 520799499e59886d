// Who we are to an endpoint: what it has challenged us for, and the tokens that it takes.
import { BerthError } from "@berth/base";
import { parseChallenges } from "./challenge.ts";
import type { Http, HttpResponse } from "./http.ts";
import { basic, fetchToken, type Token } from "./tokens.ts";
import type { Credentials, Endpoint } from "./types.ts";

/** Credentials of whoever asks for an image; null where there are none for that host. */
export type CredentialsFor = (host: string) => Promise<Credentials | null>;

export interface Authorizer {
  /** The last one that a token server has given; "" for none. */
  readonly refreshToken: string;
  /**
   * Sends a request with what the endpoint takes for the scope, and once more with what it asks for by a 401. Throws
   * unauthenticated where that cannot be had, or is refused, permission-denied where it is not enough; and what fetching
   * a token throws.
   */
  send(
    scope: string,
    signal: AbortSignal,
    request: (authorization: string) => Promise<HttpResponse>,
  ): Promise<HttpResponse>;
}

interface Bearer {
  readonly realm: string;
  readonly service: string;
}

/** A token that expires under way is refused once, another one's replacement once more. */
const MOST_TRIES = 3;

/** `offline`: refresh tokens are asked for. */
export function createAuthorizer(
  http: Http,
  endpoint: Endpoint,
  credentialsFor: CredentialsFor,
  { offline = false }: { readonly offline?: boolean } = {},
): Authorizer {
  const { host } = endpoint;
  let looked: Promise<Credentials | null> | null = null;
  const credentials = (): Promise<Credentials | null> => {
    looked ??= endpoint.credentials === null ? credentialsFor(host) : Promise.resolve(endpoint.credentials);
    return looked;
  };
  /** By scope; one for all where the scheme is Basic. */
  const headers = new Map<string, { readonly value: string; readonly expiresAt: number }>();
  let refreshToken = "";
  /** Layers are fetched at once, and need the same token. */
  const fetching = new Map<string, Promise<Token>>();

  function header(scope: string): string {
    const known = headers.get(scope) ?? headers.get("");
    return known === undefined || known.expiresAt <= performance.now() ? "" : known.value;
  }

  async function fetchOnce(wish: Bearer & { readonly scope: string }, signal: AbortSignal): Promise<Token> {
    const under = fetching.get(wish.scope);
    if (under !== undefined) return await under;
    const made = (async () => fetchToken(http, endpoint, wish, await credentials(), { signal, offline }))();
    fetching.set(wish.scope, made);
    try {
      return await made;
    } finally {
      fetching.delete(wish.scope);
    }
  }

  /** What a 401 asks for. `sent` is what it has refused. */
  async function meet(response: HttpResponse, scope: string, sent: string, signal: AbortSignal): Promise<string> {
    const now = header(scope);
    // Somebody else has got another one meanwhile.
    if (now !== "" && now !== sent) return now;
    const own = await credentials();
    const challenges = parseChallenges(response.headers("www-authenticate"));
    const keep = (key: string, value: string, expiresAt = Number.POSITIVE_INFINITY): string => {
      if (value === sent) throw notLoggedIn(host, own);
      headers.set(key, { value, expiresAt });
      return value;
    };
    if (own?.kind === "registry-token") return keep("", `Bearer ${own.token}`);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.realm !== undefined);
    if (bearer !== undefined) {
      const { realm = "", service = "", scope: wanted = "" } = bearer.parameters;
      // What the registry names beside what we want: the other repository of a mount.
      const all = mergedScopes(`${scope} ${wanted}`);
      const token = await fetchOnce({ realm, service, scope: all }, signal);
      refreshToken = token.refreshToken || refreshToken;
      return keep(scope, `Bearer ${token.value}`, token.expiresAt);
    }
    if (own?.kind !== "password" || !challenges.some(({ scheme }) => scheme === "basic")) throw notLoggedIn(host, own);
    return keep("", basic(own));
  }

  return {
    get refreshToken() {
      return refreshToken;
    },
    async send(scope, signal, request) {
      let sent = header(scope);
      for (let tries = 1; ; tries++) {
        const response = await request(sent);
        if (response.status !== 401) return response;
        response.discard();
        if (tries === MOST_TRIES) throw refused(host, response, scope, await credentials());
        sent = await meet(response, scope, sent, signal);
      }
    },
  };
}

/** A token that was given may be for less than was asked for (RFC 6750, section 3.1). */
function refused(host: string, response: HttpResponse, scope: string, credentials: Credentials | null): BerthError {
  const challenges = parseChallenges(response.headers("www-authenticate"));
  const isTooLittle = challenges.some(({ parameters }) => parameters.error === "insufficient_scope");
  if (credentials === null || !isTooLittle) return notLoggedIn(host, credentials);
  return new BerthError("permission-denied", `${host} does not allow it with these credentials (${scope})`);
}

/** Each resource once, with all that is to be done with it: registries name actions in any order. */
export function mergedScopes(scopes: string): string {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes.split(" ").filter((one) => one !== "")) {
    const colon = scope.lastIndexOf(":");
    const resource = scope.slice(0, colon);
    const known = actions.get(resource) ?? new Set();
    for (const action of scope.slice(colon + 1).split(",")) known.add(action);
    actions.set(resource, known);
  }
  return [...actions].map(([resource, all]) => `${resource}:${[...all].sort().join(",")}`).join(" ");
}

const notLoggedIn = (host: string, credentials: Credentials | null): BerthError =>
  new BerthError(
    "unauthenticated",
    credentials === null
      ? `${host} wants to know who asks: log in with berth login ${host}`
      : `${host} refuses the credentials: log in again with berth login ${host}`,
  );
