// The server that a registry with token authentication sends its clients to. Remembers what it was asked for.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificates } from "./certificates.ts";
import type { TokenAuth } from "./docker-registry.ts";
import { type HttpServer, serveHttp } from "./http-server.ts";
import { type Access, makeSigner, type Signer } from "./token.ts";
import { readTokenRequest, type TokenRequest } from "./token-request.ts";

export interface TokenServerOptions {
  /** Password by user; each of them may do everything. */
  readonly users?: Readonly<Record<string, string>>;
  /** Names of the repositories that everybody may pull from. */
  readonly anonymous?: readonly string[];
  /** Default: plain HTTP. */
  readonly tls?: Certificates;
}

/** How it answers from now on. */
export interface TokenSettings {
  /** Seconds; a negative number gives tokens that have expired. The registry allows for a minute of skew. */
  validFor: number;
  /** Seconds that the answer names, whatever is true; null names none, which means a minute. */
  expiresIn: number | null;
  /** False: it knows GET alone, as many do, and answers 405 to POST. */
  oauth: boolean;
}

export interface TokenServer extends Pick<HttpServer, "url" | "up" | "down">, AsyncDisposable {
  /** For `startRegistry`. */
  readonly auth: TokenAuth;
  /** May be changed at any time. */
  readonly settings: TokenSettings;
  /** In the order of their answers. */
  readonly requests: readonly (TokenRequest & { readonly status: number })[];
  /** Forgets all refresh tokens. */
  revoke(): void;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  await using undo = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "berth-tokens-"));
  undo.defer(() => rmSync(dir, { recursive: true, force: true }));
  const signer = await makeSigner(dir);
  const settings: TokenSettings = { validFor: 300, expiresIn: 300, oauth: true };
  const requests: (TokenRequest & { status: number })[] = [];
  const refreshTokens = new Map<string, string>();
  const answer = answerer({ options, settings, signer, refreshTokens });
  const server = undo.use(
    await serveHttp(async (request, response) => {
      const asked = await readTokenRequest(request);
      const { status, body } = answer(asked);
      requests.push({ ...asked, status });
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    }, options.tls),
  );
  const owned = undo.move();
  return {
    url: server.url,
    up: server.up,
    down: server.down,
    auth: { kind: "token", realm: `${server.url}/token`, ...names, rootCertBundle: signer.rootCertBundle },
    settings,
    requests,
    revoke: () => refreshTokens.clear(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const names = { service: "berth test registry", issuer: "berth test tokens" };

interface AnswererDeps {
  readonly options: TokenServerOptions;
  readonly settings: TokenSettings;
  readonly signer: Signer;
  /** User by token. */
  readonly refreshTokens: Map<string, string>;
}

function answerer({ options, settings, signer, refreshTokens }: AnswererDeps): (asked: TokenRequest) => Answer {
  const { users = {}, anonymous = [] } = options;

  /** The user, "" for nobody; null if that is not so. */
  const accountOf = ({ grantType, user, password, refreshToken }: TokenRequest): string | null => {
    if (grantType === "") return "";
    if (grantType === "refresh_token") return refreshTokens.get(refreshToken) ?? null;
    return Object.hasOwn(users, user) && users[user] === password ? user : null;
  };
  /** What is not granted is left out; a registry says what is missing. */
  const grant = (account: string, { type, name, actions }: Access): Access => {
    if (account !== "") return { type, name, actions };
    const isOpen = type === "repository" && anonymous.includes(name);
    return { type, name, actions: isOpen ? actions.filter((action) => action === "pull") : [] };
  };
  const refreshTokenFor = (account: string): string => {
    const token = randomUUID();
    refreshTokens.set(token, account);
    return token;
  };
  return (asked) => {
    const isPost = asked.method === "POST";
    if (isPost ? !settings.oauth : asked.method !== "GET") return { status: 405, body: {} };
    const account = accountOf(asked);
    if (account === null) return { status: 401, body: { error: "invalid_grant", details: "wrong credentials" } };
    const issuedAt = new Date();
    const token = signer.sign({
      issuer: names.issuer,
      service: asked.service,
      account,
      access: asked.scopes.map((scope) => grant(account, accessOf(scope))),
      issuedAt,
      validFor: settings.validFor,
    });
    const body = {
      // Each way has its own name for it; a client takes both.
      [isPost ? "access_token" : "token"]: token,
      issued_at: issuedAt.toISOString(),
      ...(settings.expiresIn !== null && { expires_in: settings.expiresIn }),
      ...(asked.offline && account !== "" && { refresh_token: refreshTokenFor(account) }),
    };
    return { status: 200, body };
  };
}

/** `TYPE:NAME:ACTION,ACTION`; a name may have colons, as in `localhost:5000/busybox`. */
function accessOf(scope: string): Access {
  const [first, last] = [scope.indexOf(":"), scope.lastIndexOf(":")];
  const actions = scope.slice(last + 1).split(",");
  return { type: scope.slice(0, first), name: scope.slice(first + 1, last), actions };
}
