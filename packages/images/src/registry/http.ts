// Requests to registries over undici: TLS as an endpoint has it, proxies of the environment, time-outs, and redirects that
// carry no credentials to another server.
import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { invalidArgument, messageOf, unavailable } from "@berth/base";
import type { Dispatcher } from "undici";
import { Unreachable } from "./network-error.ts";
import type { Endpoint, TlsSettings } from "./types.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array | Readable | null;
  readonly signal: AbortSignal;
  /** Milliseconds until the answer begins, once all is sent. Default: the stall time-out. */
  readonly answerTimeoutMs?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** The first value of each, names in lower case. */
  header(name: string): string;
  /** All values of one that comes several times, joined by a comma. */
  headers(name: string): string;
  /** Of the server that has answered in the end, after redirects. */
  readonly url: string;
  /** To be read to its end, destroyed, or discarded. */
  readonly body: Readable;
  /** Nobody wants the body: where it is short, the connection serves again. */
  discard(): void;
}

export interface HttpSettings {
  /** Until an answer begins, and between two pieces of its body. */
  readonly stallTimeoutMs: number;
  readonly userAgent: string;
}

/** How a server is connected to. */
export type Connecting = Pick<Endpoint, "tls" | "dialTimeoutMs">;

/** Connections that one operation shares. */
export interface Http extends AsyncDisposable {
  /** Follows redirects of requests without a body. Rejects with unavailable where there is no answer, and invalid-argument for bad TLS files. */
  request(connecting: Connecting, request: HttpRequest): Promise<HttpResponse>;
}

const MOST_REDIRECTS = 10;
const LONGEST_DISCARDED = 64 << 10;
const redirects = new Set([301, 302, 303, 307, 308]);
/** Those that leave the method as it is (RFC 9110, 15.4.8 and 15.4.9). */
const sameMethod = new Set([307, 308]);
/** All that another server is told: what is wanted, and nothing that is for the one that was asked. */
const passedOn = new Set(["accept", "range", "user-agent"]);

export function openHttp({ stallTimeoutMs, userAgent }: HttpSettings): Http {
  const dispatchers = new Map<string, Promise<Dispatcher>>();
  const dispatcherFor = ({ tls, dialTimeoutMs }: Connecting): Promise<Dispatcher> => {
    const key = JSON.stringify([tls, dialTimeoutMs]);
    const known = dispatchers.get(key);
    if (known !== undefined) return known;
    const made = makeDispatcher(tls, dialTimeoutMs);
    made.catch(() => dispatchers.delete(key));
    dispatchers.set(key, made);
    return made;
  };

  async function once(connecting: Connecting, request: HttpRequest, asked: string): Promise<HttpResponse> {
    const { request: send } = await loadUndici();
    const { method, url, headers, body = null, signal, answerTimeoutMs = stallTimeoutMs } = request;
    const dispatcher = await dispatcherFor(connecting);
    let answer: Awaited<ReturnType<typeof send>>;
    try {
      answer = await send(url, {
        dispatcher,
        method,
        headers: { "user-agent": userAgent, ...(headers as Record<string, string | string[]>) },
        body,
        signal,
        headersTimeout: answerTimeoutMs,
        bodyTimeout: stallTimeoutMs,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw new Unreachable(url === asked ? "" : `${originOf(url)}, to which it redirects: `, error);
    }
    // Whoever reads it sees it as well.
    answer.body.on("error", () => {});
    const valuesOf = (name: string): string[] => {
      const value = answer.headers[name];
      return value === undefined ? [] : Array.isArray(value) ? value : [value];
    };
    return {
      status: answer.statusCode,
      header: (name) => valuesOf(name)[0] ?? "",
      headers: (name) => valuesOf(name).join(", "),
      url,
      body: answer.body,
      discard: () => void answer.body.dump({ limit: LONGEST_DISCARDED }).catch(() => {}),
    };
  }

  return {
    async request(connecting, request) {
      let { method, url, headers } = request;
      for (let count = 0; ; count++) {
        const response = await once(connecting, { ...request, method, url, headers }, request.url);
        const location = response.header("location");
        if (location === "" || !isFollowed({ ...request, method }, response.status)) return response;
        response.discard();
        if (count === MOST_REDIRECTS) throw unavailable(`it redirects more than ${MOST_REDIRECTS} times`);
        const next = redirected(url, location);
        if (new URL(next).origin !== new URL(url).origin) headers = forAnother(headers);
        if (response.status === 303) method = "GET";
        url = next;
      }
    },
    async [Symbol.asyncDispose]() {
      const all = await Promise.allSettled(dispatchers.values());
      await Promise.all(all.map((one) => (one.status === "fulfilled" ? one.value.destroy() : null)));
    },
  };
}

const isFollowed = ({ method, body = null }: HttpRequest, status: number): boolean =>
  method === "GET" || method === "HEAD" ? redirects.has(status) : body === null && sameMethod.has(status);

/** Loaded by the first pull or push: it is as large as the rest of berthd. A bundle has a CommonJS module's names below its default alone. */
const loadUndici = async () => (await import("undici")).default;

async function makeDispatcher(tls: TlsSettings, dialTimeoutMs: number): Promise<Dispatcher> {
  const [{ EnvHttpProxyAgent }, { rootCertificates }] = await Promise.all([loadUndici(), import("node:tls")]);
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw invalidArgument(`certificate file ${path} of the registry configuration: ${messageOf(error)}`);
    }
  };
  const ca = await Promise.all(tls.ca.map(read));
  const cert = await Promise.all(tls.client.map(({ certificate }) => read(certificate)));
  const key = await Promise.all(tls.client.map(({ key: path }, at) => (path === "" ? (cert[at] ?? "") : read(path))));
  const connect = {
    timeout: dialTimeoutMs,
    rejectUnauthorized: !tls.skipVerify,
    ...(ca.length === 0 ? {} : { ca: [...rootCertificates, ...ca] }),
    ...(cert.length === 0 ? {} : { cert, key }),
  };
  return new EnvHttpProxyAgent({ connect, requestTls: connect, noProxy: withoutProxy(process.env) });
}

/** As with Go's programs, loopback is never asked for through a proxy. */
const withoutProxy = (env: NodeJS.ProcessEnv): string =>
  ["localhost", "127.0.0.1", "[::1]", env.no_proxy ?? env.NO_PROXY ?? ""].filter((name) => name !== "").join(",");

function redirected(from: string, location: string): string {
  const next = URL.parse(location, from);
  if (next === null || !["http:", "https:"].includes(next.protocol))
    throw unavailable(
      `${originOf(from)}: it redirects to ${JSON.stringify(location.slice(0, 200))}, which is no address`,
    );
  return next.href;
}

const forAnother = (headers: HttpRequest["headers"]): HttpRequest["headers"] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => passedOn.has(name)));

export const originOf = (url: string): string => URL.parse(url)?.origin ?? url;
