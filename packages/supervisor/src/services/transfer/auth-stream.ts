// Credentials from whoever has asked for a transfer: one question at a time, each with one answer.
import { type Credentials, invalidArgument } from "@berth/base";
import type { CredentialsFor } from "@berth/images";
import { packAny, unpackAny } from "@berth/proto";
import { AuthRequest, AuthResponse, AuthType } from "@berth/proto/containerd/types/transfer";
import type { Stream } from "./streams.ts";

/** `reference` as the client has written it: it may answer for that alone. One that cannot answer says nothing. */
export function credentialsOver(stream: Stream, reference: string): CredentialsFor {
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (host: string): Promise<Credentials | null> => {
    await stream.send(packAny(AuthRequest, { host, reference }));
    const answer = await stream.receive();
    if (answer === null) return null;
    const response = unpackAny(AuthResponse, answer);
    if (response === null)
      throw invalidArgument(`credentials were asked for, and ${JSON.stringify(answer.typeUrl.slice(0, 200))} came`);
    return credentialsOf(response);
  };
  return (host) => {
    const answer = last.then(() => ask(host));
    last = answer.catch(() => {}); // told to who has asked
    return answer;
  };
}

/** Null where it has none. containerd itself ignores a header. */
function credentialsOf({ authType, username, secret }: AuthResponse): Credentials | null {
  switch (authType) {
    case AuthType.CREDENTIALS:
      return username === "" ? null : { kind: "password", user: username, password: secret };
    case AuthType.REFRESH:
      return secret === "" ? null : { kind: "identity-token", token: secret };
    case AuthType.HEADER:
      return fromHeader(secret);
    default:
      return null;
  }
}

/** The value of an Authorization header (RFC 9110, section 11.6.2). */
function fromHeader(value: string): Credentials {
  const [, scheme = "", rest = ""] = /^(\S+) +(\S+)$/.exec(value) ?? [];
  if (scheme.toLowerCase() === "bearer") return { kind: "registry-token", token: rest };
  const [, user = "", password = ""] = /^([^:]*):(.*)$/s.exec(Buffer.from(rest, "base64").toString()) ?? [];
  if (scheme.toLowerCase() === "basic" && user !== "") return { kind: "password", user, password };
  throw invalidArgument("the header for a registry is neither Bearer TOKEN nor Basic CREDENTIALS");
}
