// Credentials in a configuration: registry.configs."HOST".auth of the CRI plugin. No sentence has a value of theirs.
import type { Credentials } from "../types.ts";
import { optional, type Read, table, unknownKeys } from "./fields.ts";
import { below, type Place, wrong } from "./place.ts";

const authKeys = ["username", "password", "auth", "identitytoken"];

/** null if all are empty. A user name comes before a token, and a token before `auth`, as in containerd. */
export function readAuth(value: unknown, place: Place, warnings: string[]): Credentials | null {
  const auth = table(value, place);
  warnings.push(...unknownKeys(auth, authKeys, place));
  const [user, password, encoded, token] = authKeys.map((key) => optional(auth, key, place, secret) ?? "");
  if (user) return { kind: "password", user, password: password ?? "" };
  if (token) return { kind: "identity-token", token };
  return encoded ? decoded(encoded, below(place, "auth")) : null;
}

const secret: Read<string> = (value, place) => {
  if (typeof value !== "string") throw wrong(place, "must be a string");
  return value;
};

function decoded(auth: string, place: Place): Credentials {
  const encoded = auth.replace(/[\r\n]/g, "");
  const [, user, password] =
    /^([^:]*):(.*)$/s.exec(isBase64(encoded) ? Buffer.from(encoded, "base64").toString() : "") ?? [];
  if (user === undefined || password === undefined) throw wrong(place, "must be USER:PASSWORD in base64");
  const plain = password.replace(/^\0+|\0+$/g, "");
  return user === "" ? { kind: "identity-token", token: plain } : { kind: "password", user, password: plain };
}

const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
