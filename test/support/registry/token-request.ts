// What a client asks a token server for, by GET (distribution's docs/spec/auth/token.md) or by POST
// (docs/spec/auth/oauth.md).
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

export interface TokenRequest {
  readonly method: string;
  /** Of a POST; of a GET, "password" or "" for nobody. */
  readonly grantType: string;
  readonly service: string;
  /** As sent: `repository:NAME:pull,push`. */
  readonly scopes: readonly string[];
  readonly clientId: string;
  /** A refresh token is wished for. */
  readonly offline: boolean;
  /** These are "" if not sent. */
  readonly user: string;
  readonly password: string;
  readonly refreshToken: string;
}

export async function readTokenRequest(request: IncomingMessage): Promise<TokenRequest> {
  const method = request.method ?? "";
  if (method === "POST") return formOf(method, new URLSearchParams(await text(request)));
  return queryOf(method, new URL(request.url ?? "", "http://localhost").searchParams, request.headers.authorization);
}

function queryOf(method: string, query: URLSearchParams, authorization = ""): TokenRequest {
  const credentials = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
  const colon = credentials.indexOf(":");
  return {
    method,
    grantType: authorization === "" ? "" : "password",
    service: query.get("service") ?? "",
    scopes: query.getAll("scope"),
    clientId: query.get("client_id") ?? "",
    offline: query.get("offline_token") === "true",
    user: credentials.slice(0, Math.max(0, colon)),
    password: credentials.slice(colon + 1),
    refreshToken: "",
  };
}

function formOf(method: string, form: URLSearchParams): TokenRequest {
  const field = (name: string): string => form.get(name) ?? "";
  return {
    method,
    grantType: field("grant_type"),
    service: field("service"),
    scopes: field("scope").split(" ").filter(Boolean),
    clientId: field("client_id"),
    offline: field("access_type") === "offline",
    user: field("username"),
    password: field("password"),
    refreshToken: field("refresh_token"),
  };
}
