// Whether a registry takes a user's credentials.
import { BerthError, kindOf } from "@berth/base";
import { createAuthorizer } from "./authorizer.ts";
import { STALL_MS } from "./connections.ts";
import type { RegistryDeps } from "./explain.ts";
import { askEach, defaultFailOver } from "./fail-over.ts";
import { noWishes } from "./hosts/settings.ts";
import { openHttp } from "./http.ts";
import { refusal } from "./status.ts";
import type { Credentials } from "./types.ts";

/**
 * What is to be kept for the registry's host: a refresh token where its token server gives one, otherwise the credentials
 * themselves. unauthenticated where they are refused; unavailable where nobody answers.
 */
export async function checkCredentials(
  { explain, userAgent, stallTimeoutMs = STALL_MS, failOver = defaultFailOver }: RegistryDeps,
  registry: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Credentials> {
  const { endpoints: configured } = await explain(registry, noWishes);
  const itself = configured.filter(({ namespace }) => namespace === "");
  // What stands in its place comes last.
  const endpoints = itself.length > 0 ? itself : configured.slice(-1);
  await using http = openHttp({ stallTimeoutMs, userAgent });
  const all = endpoints.map((endpoint) => {
    const asked = { ...endpoint, credentials: null };
    return { endpoint, authorizer: createAuthorizer(http, asked, async () => credentials, { offline: true }) };
  });
  const wish = { what: `a login to ${registry}`, registry, capability: "pull", signal } as const;
  try {
    return await askEach(failOver, all, wish, async ({ endpoint, authorizer }) => {
      const { url, headers } = endpoint;
      const response = await authorizer.send("", signal, (authorization) =>
        http.request(endpoint, {
          method: "GET",
          url: `${url}/`,
          headers: { ...headers, ...(authorization === "" ? {} : { authorization }) },
          signal,
        }),
      );
      if (response.status !== 200) throw await refusal(response, Date.now());
      response.discard();
      const { refreshToken } = authorizer;
      return refreshToken === "" ? credentials : { kind: "identity-token", token: refreshToken };
    });
  } catch (error) {
    if (kindOf(error) !== "unauthenticated") throw error;
    throw new BerthError("unauthenticated", `${registry} refuses the user name or the password`, { cause: error });
  }
}
