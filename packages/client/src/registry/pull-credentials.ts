import { parseReference } from "@berth/base";
import type { Session } from "../session/session.ts";
import type { FindCredentials } from "./transfer.ts";

/** What the user of this program has for an image's repository, as its registry's hosts ask for it. */
export const pullCredentials =
  (session: Session, reference: string): FindCredentials =>
  async (host) => {
    const { credentialDeps, findCredentials } = await import("./credentials-unit.ts");
    const { domain, path } = parseReference(reference);
    return await findCredentials(host, `${domain}/${path}`, credentialDeps(session));
  };
