// Signs access tokens as docker-registry takes them: JSON web tokens with the signer's certificate in their header
// (RFC 7515, "x5c"; distribution's docs/spec/auth/jwt.md).
import { randomUUID, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { issue } from "./certificates.ts";

/** What may be done to a repository. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface Claims {
  readonly issuer: string;
  readonly service: string;
  /** Who asked; "" for nobody. */
  readonly account: string;
  readonly access: readonly Access[];
  readonly issuedAt: Date;
  /** Seconds from there. */
  readonly validFor: number;
}

export interface Signer {
  /** PEM file for the registry's `rootcertbundle`. */
  readonly rootCertBundle: string;
  sign(claims: Claims): string;
}

export async function makeSigner(dir: string): Promise<Signer> {
  const { certificate, key } = await issue(dir, "signer", "basicConstraints=critical,CA:TRUE");
  const privateKey = readFileSync(key);
  const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString("base64")];
  return {
    rootCertBundle: certificate,
    sign(claims) {
      const signed = [{ typ: "JWT", alg: "ES256", x5c }, bodyOf(claims)].map(encode).join(".");
      const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${signed}.${signature.toString("base64url")}`;
    },
  };
}

function bodyOf({ issuer, service, account, access, issuedAt, validFor }: Claims): object {
  const now = Math.floor(issuedAt.getTime() / 1000);
  const times = { iat: now, nbf: now + Math.min(0, validFor), exp: now + validFor };
  return { iss: issuer, aud: service, sub: account, access, jti: randomUUID(), ...times };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
