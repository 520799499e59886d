// A server in front of a registry, or in the place of one, that does wrong what a test wants, and remembers what it was
// asked for.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { openAnswer } from "./ask.ts";
import type { Certificates } from "./certificates.ts";
import type { Registry } from "./docker-registry.ts";
import { answerOf, type Call, Cut, type Fault, type Pass } from "./faults.ts";
import { type HttpServer, serveHttp } from "./http-server.ts";

/** A fault, and the requests that it is for. Of several rules that match, the first is the nearest to the client. */
export interface Rule {
  /** Default: any. */
  readonly method?: string;
  /** Without the query. Default: any. */
  readonly path?: RegExp;
  /** For the first so many requests only. */
  readonly times?: number;
  readonly fault: Fault;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Of the answer; 0 if there is none yet. */
  status: number;
  /** Bytes of the answer's body so far that the kernel has taken. */
  sent: number;
}

export interface FaultyMirror extends HttpServer {
  /** In the order in which they came. */
  readonly requests: readonly SeenRequest[];
  /** In the place of those before, for requests that come from now on. */
  setRules(rules: readonly Rule[]): void;
}

type Upstream = Pick<Registry, "url" | "certificates">;

export interface MirrorOptions {
  /** Default: plain HTTP. */
  readonly tls?: Certificates;
}

/** Without a registry behind it, what no rule answers is 404. */
export async function startFaultyMirror(
  upstream: Upstream | null,
  rules: readonly Rule[] = [],
  { tls }: MirrorOptions = {},
): Promise<FaultyMirror> {
  const requests: SeenRequest[] = [];
  const last: Pass = upstream === null ? async () => answerOf(404) : passTo(upstream, tls !== undefined);
  let serve = applying(rules, last);
  const server = await serveHttp(async (request, response) => {
    const { call, seen } = received(request, response);
    requests.push(seen);
    await answer(call, serve, response, seen);
  }, tls);
  const setRules = (next: readonly Rule[]): void => {
    serve = applying(next, last);
  };
  return { ...server, requests, setRules };
}

/** Applies each rule that matches around those after it. */
function applying(rules: readonly Rule[], last: Pass): Pass {
  return rules.reduceRight<Pass>((next, { method, path, times = Number.POSITIVE_INFINITY, fault }) => {
    let left = times;
    return (call) => {
      const matches = (method ?? call.method) === call.method && (path?.test(call.path) ?? true);
      return matches && left-- > 0 ? fault(call, next) : next(call);
    };
  }, last);
}

function received(request: IncomingMessage, response: ServerResponse): { call: Call; seen: SeenRequest } {
  const { method = "", headers } = request;
  const [path = "", query = ""] = (request.url ?? "").split(/(?=\?)/, 2);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return {
    call: { method, path, query, headers, body: request, signal: gone.signal },
    seen: { method, path, query: new URLSearchParams(query), headers, status: 0, sent: 0 },
  };
}

async function answer(call: Call, serve: Pass, response: ServerResponse, seen: SeenRequest): Promise<void> {
  try {
    const { status, headers, body } = await serve(call);
    seen.status = status;
    response.writeHead(status, headers).flushHeaders();
    if (call.method !== "HEAD") for await (const chunk of body) await write(response, chunk, seen);
    response.end();
  } catch (error) {
    response.destroy();
    if (!(error instanceof Cut || call.signal.aborted)) throw error;
  }
}

/** Resolves once the kernel has it, so that it arrives even if the connection is cut next. */
async function write(response: ServerResponse, chunk: Uint8Array, seen: SeenRequest): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(new Cut("the client has gone", { cause: error })) : resolve()));
  });
  seen.sent += chunk.length;
}

/** A registry that fails is one that cuts the connection. */
function passTo({ url, certificates }: Upstream, withTls: boolean): Pass {
  return async ({ method, path, query, headers, body, signal }) => {
    // The host stays the client's: a registry makes the URLs in its answers from it.
    const forwarded = { ...endToEnd(headers), "x-forwarded-proto": withTls ? "https" : "http" };
    const options = { method, headers: forwarded, body, certificates, signal };
    const answer = await openAnswer(`${url}${path}${query}`, options).catch(cut);
    return { status: answer.statusCode ?? 0, headers: endToEnd(answer.headers), body: orCut(answer) };
  };
}

async function* orCut(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    cut(error);
  }
}

function cut(cause: unknown): never {
  throw new Cut("the registry has failed", { cause });
}

/** Without those of one connection (RFC 9110, section 7.6.1). */
function endToEnd({ connection, "keep-alive": _, "transfer-encoding": __, ...rest }: IncomingHttpHeaders) {
  return rest;
}
