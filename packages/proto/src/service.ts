// What a service is on the wire: its full name and, for each method, the name, the shape and the messages.
import type { MessageType } from "./codec.ts";

export type MethodKind = "unary" | "server-streaming" | "client-streaming" | "bidi-streaming";

export interface Method<K extends MethodKind = MethodKind, I extends object = object, O extends object = object> {
  readonly kind: K;
  /** As on the wire: `Create`. */
  readonly name: string;
  readonly input: MessageType<I>;
  readonly output: MessageType<O>;
}

export interface Service<M extends Readonly<Record<string, Method>> = Readonly<Record<string, Method>>> {
  /** As on the wire: `containerd.services.tasks.v1.Tasks`. */
  readonly typeName: string;
  /** By local name: `create`. */
  readonly methods: M;
}

const shape =
  <K extends MethodKind>(kind: K) =>
  <I extends object, O extends object>(
    name: string,
    input: MessageType<I>,
    output: MessageType<O>,
  ): Method<K, I, O> => ({ kind, name, input, output });

export const unary = /* @__PURE__ */ shape("unary");
export const serverStreaming = /* @__PURE__ */ shape("server-streaming");
export const clientStreaming = /* @__PURE__ */ shape("client-streaming");
export const bidiStreaming = /* @__PURE__ */ shape("bidi-streaming");

// biome-ignore lint/suspicious/noExplicitAny: a method of any messages; `object` is invariant in MessageType
type AnyMethods = Readonly<Record<string, Method<MethodKind, any, any>>>;

export const service = <const M extends AnyMethods>(
  typeName: string,
  methods: M,
): { typeName: string; methods: M } => ({
  typeName,
  methods,
});
