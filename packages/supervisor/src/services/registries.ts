// What berth.v1 says of registries and of the credentials for them.
import { type Credentials, invalidArgument } from "@berth/base";
import type { Images, ReferenceReport } from "@berth/images";
import type { Init } from "@berth/proto";
import type {
  CheckCredentialsRequest,
  CheckCredentialsResponse,
  ExplainRegistryRequest,
  ExplainRegistryResponse,
  RegistryCredentials,
} from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";

/** null where there are none. */
export function credentialsOf(told: RegistryCredentials | null): Credentials | null {
  if (told === null) return null;
  const { user, password, identityToken, registryToken } = told;
  if (identityToken !== "") return { kind: "identity-token", token: identityToken };
  if (registryToken !== "") return { kind: "registry-token", token: registryToken };
  return user === "" ? null : { kind: "password", user, password };
}

export async function explainRegistry(
  images: Images,
  { reference, check, credentials }: ExplainRegistryRequest,
  { signal }: Call,
): Promise<Init<ExplainRegistryResponse>> {
  const byHost = new Map(credentials.map((one) => [one.host, credentialsOf(one)]));
  const credentialsFor = async (host: string) => byHost.get(host) ?? null;
  const report = await images.explain(reference, check ? { credentialsFor, signal } : null);
  return { ...report, warnings: [...report.warnings], endpoints: report.endpoints.map(endpointToProto) };
}

const endpointToProto = ({ endpoint, failure, digest }: ReferenceReport["endpoints"][number]) => {
  const { url, capabilities, namespace, tls, headers, credentials, source } = endpoint;
  return {
    url,
    capabilities: [...capabilities],
    namespace,
    skipVerify: tls.skipVerify,
    ca: [...tls.ca],
    client: tls.client.map(({ certificate }) => certificate),
    headers: Object.keys(headers),
    hasCredentials: credentials !== null,
    sourceFile: source.file,
    sourceLine: source.line,
    failure,
    digest,
  };
};

export async function checkCredentials(
  images: Images,
  { credentials: told }: CheckCredentialsRequest,
  { signal }: Call,
): Promise<Init<CheckCredentialsResponse>> {
  const credentials = credentialsOf(told);
  const host = told?.host ?? "";
  if (credentials === null || host === "") throw invalidArgument("a login needs a registry and credentials for it");
  const kept = await images.checkCredentials(host, credentials, signal);
  return { credentials: credentialsToProto(host, kept) };
}

function credentialsToProto(host: string, kept: Credentials): Init<RegistryCredentials> {
  if (kept.kind === "password") return { host, user: kept.user, password: kept.password };
  return kept.kind === "identity-token" ? { host, identityToken: kept.token } : { host, registryToken: kept.token };
}
