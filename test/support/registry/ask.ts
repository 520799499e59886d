// One HTTP request and its answer, with a certificate authority of its own, which fetch cannot be given.

import { readFileSync } from "node:fs";
import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import { request as requestTls } from "node:https";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Certificates } from "./certificates.ts";

export interface AskOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | Readable;
  /** The authority to trust. */
  readonly certificates?: Pick<Certificates, "ca" | "client"> | null;
  /** Shows the client's certificate, too. */
  readonly asClient?: boolean;
  readonly signal?: AbortSignal;
}

export interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Reads the answer to its end: rejects if it has none. Follows no redirect, and opens a connection of its own. */
export async function ask(url: string, options: AskOptions = {}): Promise<Asked> {
  const answer = await openAnswer(url, options);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

/** Resolves with the headers; the body is still to be read. */
export async function openAnswer(url: string, options: AskOptions = {}): Promise<IncomingMessage> {
  const { method = "GET", headers = {}, body = "", certificates = null, asClient = false, signal } = options;
  const outgoing = (url.startsWith("https:") ? requestTls : request)(url, {
    method,
    headers,
    agent: false,
    ...(signal && { signal }),
    ...(certificates && { ca: readFileSync(certificates.ca) }),
    ...(certificates && asClient && keyPairOf(certificates)),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve).on("error", reject);
  });
  // A server may answer, and hang up, before it has read everything.
  if (body instanceof Readable) pipeline(body, outgoing).catch(() => {});
  else outgoing.end(body);
  return await answered;
}

const keyPairOf = ({ client }: Pick<Certificates, "client">) => ({
  cert: readFileSync(client.certificate),
  key: readFileSync(client.key),
});

/** The value of an Authorization header (RFC 7617). */
export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
