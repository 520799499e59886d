// A service is a plain object whose shape comes from the proto. It knows no wire.
import type { Log } from "@berth/base";
import type { Init, Method, Service } from "@berth/proto";

/** What a handler knows of the call that it answers. */
export interface Call {
  /** `Service/Method`, for logs. */
  readonly method: string;
  /** From the caller's metadata; empty where it sent none (stores then refuse). */
  readonly namespace: string;
  /** Lease id from the caller's metadata; empty where it sent none. */
  readonly lease: string;
  /** All metadata, keys in lower case, first value of each. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborted when the caller cancels, its deadline passes or the connection closes. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

type Handler<M> =
  M extends Method<infer K, infer I, infer O>
    ? K extends "unary"
      ? (request: I, call: Call) => Promise<Init<O>> | Init<O>
      : K extends "server-streaming"
        ? (request: I, call: Call) => AsyncIterable<Init<O>>
        : K extends "client-streaming"
          ? (requests: AsyncIterable<I>, call: Call) => Promise<Init<O>>
          : (requests: AsyncIterable<I>, call: Call) => AsyncIterable<Init<O>>
    : never;

/** What implements a service: a method that is missing or misshapen does not compile. */
export type ServiceImpl<S extends { readonly methods: object }> = {
  readonly [K in keyof S["methods"]]: Handler<S["methods"][K]>;
};

/** A service with its implementation, types forgotten: what a server takes. */
export interface Registration {
  readonly service: Service;
  readonly impl: Readonly<Record<string, unknown>>;
}

/** Joins a service and its implementation for a server. */
export function register<S extends { readonly typeName: string; readonly methods: object }>(
  service: S,
  impl: ServiceImpl<S>,
): Registration {
  return { service: service as unknown as Service, impl: impl as Readonly<Record<string, unknown>> };
}

/** What a caller may say about a call. */
export interface CallOptions {
  readonly namespace?: string;
  readonly lease?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Milliseconds after which the call fails with deadline-exceeded. */
  readonly timeoutMs?: number;
}

/** The same shapes from the caller's side. Errors arrive as BerthError. */
export type Client<S extends { readonly methods: object }> = {
  readonly [K in keyof S["methods"]]: ClientMethod<S["methods"][K]>;
};

type ClientMethod<M> =
  M extends Method<infer K, infer I, infer O>
    ? K extends "unary"
      ? (request: Init<I>, options?: CallOptions) => Promise<O>
      : K extends "server-streaming"
        ? (request: Init<I>, options?: CallOptions) => AsyncIterable<O>
        : K extends "client-streaming"
          ? (requests: AsyncIterable<Init<I>>, options?: CallOptions) => Promise<O>
          : (requests: AsyncIterable<Init<I>>, options?: CallOptions) => AsyncIterable<O>
    : never;
