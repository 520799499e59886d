// What a registry's refusal means.
import { BerthError, type ErrorKind } from "@berth/base";
import { readBody } from "./body.ts";
import type { HttpResponse } from "./http.ts";

const LARGEST_ANSWER = 64 << 10;
const LONGEST_REASON = 300;

const kinds: Readonly<Record<number, ErrorKind>> = {
  401: "unauthenticated",
  403: "permission-denied",
  404: "not-found",
  408: "unavailable",
  429: "resource-exhausted",
};

/** An answer that is none of what was asked for. */
export class RefusedByRegistry extends BerthError {
  readonly status: number;
  /** Milliseconds that the registry asks to wait; 0 where it does not. */
  readonly retryAfterMs: number;

  constructor(status: number, message: string, retryAfterMs: number) {
    super(kinds[status] ?? (status >= 500 ? "unavailable" : "failed-precondition"), message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may be answered otherwise later. */
  get isPassing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Reads the body for its reason (OCI distribution specification, error codes). */
export async function refusal(response: HttpResponse, now: number): Promise<RefusedByRegistry> {
  const { status } = response;
  const reason = reasonOf(await readBody(response.body, LARGEST_ANSWER, "").catch(() => new Uint8Array(0)));
  const message = `it answers ${status}${reason === "" ? "" : ` (${reason})`}`;
  return new RefusedByRegistry(status, message, retryAfter(response.header("retry-after"), now));
}

function reasonOf(body: Uint8Array): string {
  try {
    const { errors } = JSON.parse(new TextDecoder().decode(body)) as { errors?: unknown };
    const first = (Array.isArray(errors) ? errors[0] : null) as { code?: unknown; message?: unknown } | null;
    const { code, message } = first ?? {};
    const said = typeof message === "string" && message !== "" ? message : code;
    return typeof said === "string" ? printable(said).slice(0, LONGEST_REASON) : "";
  } catch {
    // A page for people, or nothing: the status says enough.
    return "";
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would obey
const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");

/** Seconds, or a date (RFC 9110, 10.2.3). `now` in milliseconds of the epoch. */
export function retryAfter(value: string, now: number): number {
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}
