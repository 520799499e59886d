// A real registry: Debian's docker-registry on loopback, with a directory of its own.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { daemonOf } from "../daemon.ts";
import type { Certificates } from "./certificates.ts";

const PROGRAM = "/usr/bin/docker-registry";

/** True where Debian's docker-registry is installed. */
export const hasRegistry = (): boolean => existsSync(PROGRAM);

/** One user, with HTTP's basic authentication. */
export interface HtpasswdAuth {
  readonly kind: "htpasswd";
  readonly user: string;
  readonly password: string;
}

/** Access tokens of a server that it sends its clients to: see token-server.ts. */
export interface TokenAuth {
  readonly kind: "token";
  /** URL of the token server. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM file with the certificates whose keys sign tokens. */
  readonly rootCertBundle: string;
}

export interface RegistryOptions {
  /** Default: plain HTTP. */
  readonly tls?: Certificates;
  /** Refuses clients without a certificate of the same authority. */
  readonly clientAuth?: boolean;
  /** Default: everybody may do everything. */
  readonly auth?: HtpasswdAuth | TokenAuth;
}

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, for the names of its images. */
  readonly address: string;
  /** `localhost:PORT`: another name for it. */
  readonly localhost: string;
  /** `http://127.0.0.1:PORT`, or https. */
  readonly url: string;
  /** Null if it speaks plain HTTP. */
  readonly certificates: Certificates | null;
  /** What it has logged so far. */
  log(): string;
}

/** Starts it without images and waits until it listens. Manifests and blobs can be deleted. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const dir = mkdtempSync(join(tmpdir(), "berth-registry-"));
  const config = join(dir, "config.yml");
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(configOf(dir, options)));
  const daemon = daemonOf({
    command: PROGRAM,
    args: ["serve", config],
    logFile: join(dir, "log"),
    answers: async () => portIn(daemon.log()),
  });
  const stop = async () => {
    await daemon.end("SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await daemon.start();
    const port = portIn(daemon.log());
    const address = `127.0.0.1:${port}`;
    return {
      address,
      localhost: `localhost:${port}`,
      url: `${options.tls ? "https" : "http"}://${address}`,
      certificates: options.tls ?? null,
      log: daemon.log,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** It takes a port that the kernel chooses, and logs which, once it listens. */
function portIn(log: string): number {
  const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(log) ?? [];
  if (port === undefined) throw new Error("it does not listen yet");
  return Number(port);
}

function configOf(dir: string, { tls, clientAuth = false, auth }: RegistryOptions): object {
  return {
    version: 0.1,
    log: { level: "info" },
    storage: { filesystem: { rootdirectory: join(dir, "data") }, delete: { enabled: true } },
    http: {
      addr: "127.0.0.1:0",
      secret: "signs the state of an upload",
      ...(tls && {
        tls: {
          certificate: tls.server.certificate,
          key: tls.server.key,
          ...(clientAuth && { clientcas: [tls.ca] }),
        },
      }),
    },
    ...(auth && { auth: authOf(dir, auth) }),
  };
}

function authOf(dir: string, auth: HtpasswdAuth | TokenAuth): object {
  if (auth.kind === "token") {
    const { kind, rootCertBundle, ...rest } = auth;
    return { [kind]: { ...rest, rootcertbundle: rootCertBundle } };
  }
  const path = join(dir, "htpasswd");
  writeFileSync(path, `${auth.user}:${bcryptOf(auth.password)}\n`);
  return { htpasswd: { realm: "berth test", path } };
}

/** It takes no other hash. Perl's crypt is the C library's (crypt(3), crypt(5)); the cost is the least there is. */
function bcryptOf(password: string): string {
  const settings = "$2y$04$saltsaltsaltsaltsaltsu";
  return execFileSync("perl", ["-e", "print crypt($ARGV[0], $ARGV[1])", password, settings], { encoding: "utf8" });
}
