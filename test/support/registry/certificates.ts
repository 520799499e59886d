// A throwaway certificate authority, with what it has issued: a server's certificate for loopback and a client's.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Paths of PEM files. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Certificates extends Disposable {
  /** The authority's certificate: what a client has to trust. */
  readonly ca: string;
  /** For `localhost` and 127.0.0.1. */
  readonly server: KeyPair;
  /** What a registry with `clientAuth` asks for. */
  readonly client: KeyPair;
}

/** Each call makes another authority, which does not know the others. */
export async function makeCertificates(): Promise<Certificates> {
  const dir = mkdtempSync(join(tmpdir(), "berth-certificates-"));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  try {
    const authority = await issue(dir, "authority", "basicConstraints=critical,CA:TRUE");
    const server = await issue(
      dir,
      "server",
      "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth",
      authority,
    );
    const client = await issue(dir, "client", "extendedKeyUsage=clientAuth", authority);
    return { ca: authority.certificate, server, client, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Writes NAME.pem and NAME-key.pem, signed by the authority, or by itself (openssl-req(1)). */
export async function issue(dir: string, name: string, extensions: string, authority?: KeyPair): Promise<KeyPair> {
  const pair = { certificate: join(dir, `${name}.pem`), key: join(dir, `${name}-key.pem`) };
  const config = join(dir, `${name}.cnf`);
  writeFileSync(
    config,
    `[req]
prompt=no
distinguished_name=subject
x509_extensions=extensions
[subject]
CN=berth test ${name}
[extensions]
${extensions}
`,
  );
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pair.key];
  const issuer = authority === undefined ? [] : ["-CA", authority.certificate, "-CAkey", authority.key];
  await run("openssl", ["req", "-x509", "-config", config, ...key, "-out", pair.certificate, "-days", "30", ...issuer]);
  return pair;
}
