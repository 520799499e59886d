// The endpoints of a registry as one pull or push speaks to them: in order, over shared connections, each endpoint with the
// credentials that are for it and for no other host.
import { type Authorizer, type CredentialsFor, createAuthorizer } from "./authorizer.ts";
import type { FailOver } from "./fail-over.ts";
import { type HttpRequest, type HttpResponse, openHttp } from "./http.ts";
import { Unreachable } from "./network-error.ts";
import { refusal } from "./status.ts";
import type { Endpoint, EndpointsOf } from "./types.ts";

export interface RepositoryOptions {
  readonly endpointsOf: EndpointsOf;
  readonly credentialsFor: CredentialsFor;
  readonly failOver?: FailOver;
  /** Milliseconds in which nothing comes, after which the next endpoint is asked. */
  readonly stallTimeoutMs?: number;
  readonly userAgent: string;
}

/** Unless something else is said. */
export const STALL_MS = 30_000;

export interface Connected {
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
}

export interface Asking extends Omit<HttpRequest, "body"> {
  /** What a token is asked for: `repository:library/busybox:pull`. */
  readonly scope: string;
  /** Made anew for each try: one that was refused has been read. */
  readonly body?: () => HttpRequest["body"];
  /** Statuses that are answers; 200 if missing. Any other one is thrown as RefusedByRegistry. */
  readonly good?: readonly number[];
}

export interface Connections extends AsyncDisposable {
  /** Those that could not be spoken to at all come last. */
  order(): Promise<Connected[]>;
  /** Passes on the answer, and remembers an endpoint that could not be spoken to. */
  heard<T>(one: Connected, answer: Promise<T>): Promise<T>;
  /** Sends a request for the endpoint. A URL of another origin gets neither its credentials nor its headers. */
  ask(one: Connected, asking: Asking): Promise<HttpResponse>;
}

/** `registry` as in a reference: `docker.io`. Nothing is connected to before the first request. */
export function openConnections(registry: string, options: RepositoryOptions): Connections {
  const { endpointsOf, credentialsFor, userAgent, stallTimeoutMs = STALL_MS } = options;
  const http = openHttp({ stallTimeoutMs, userAgent });
  let found: Promise<readonly Connected[]> | null = null;
  const silent = new Set<Connected>();

  async function find(): Promise<readonly Connected[]> {
    const endpoints = await endpointsOf(registry);
    return endpoints.map((endpoint) => ({ endpoint, authorizer: createAuthorizer(http, endpoint, credentialsFor) }));
  }

  return {
    async order() {
      found ??= find();
      return [...(await found).filter((one) => !silent.has(one)), ...silent];
    },
    async heard(one, answer) {
      try {
        return await answer;
      } catch (error) {
        if (error instanceof Unreachable) silent.add(one);
        throw error;
      }
    },
    async ask({ endpoint, authorizer }, { scope, body, good = [200], headers, ...request }) {
      const send = (own: HttpRequest["headers"]) =>
        http.request(endpoint, { ...request, headers: { ...own, ...headers }, body: body?.() ?? null });
      const response = isOfEndpoint(endpoint, request.url)
        ? await authorizer.send(scope, request.signal, (authorization) =>
            send({ ...endpoint.headers, ...(authorization === "" ? {} : { authorization }) }),
          )
        : await send({});
      if (!good.includes(response.status)) throw await refusal(response, Date.now());
      return response;
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}

/** Whether the URL is the endpoint's own: same scheme, host and port. */
export const isOfEndpoint = (endpoint: Endpoint, url: string): boolean =>
  new URL(url).origin === new URL(endpoint.url).origin;

/** What is asked for of a repository, with `?ns=` where the endpoint is another one's mirror. */
export function urlOf(
  { url, namespace }: Endpoint,
  path: string,
  what: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const all = new URLSearchParams({ ...query, ...(namespace === "" ? {} : { ns: namespace }) });
  return `${url}/${path}/${what}${all.size === 0 ? "" : `?${all}`}`;
}
