// The files and helpers of the user who runs this program.
import { credentials, env } from "@berth/host";
import type { Session } from "../session/session.ts";
import { readExisting, replaceFile } from "./credential-files.ts";
import { credentialPaths } from "./credential-paths.ts";
import type { CredentialDeps } from "./credential-store.ts";
import { askingHelpers } from "./run-helper.ts";

export function credentialDeps({ printError }: Pick<Session, "printError">): CredentialDeps {
  return {
    paths: credentialPaths({ env, uid: credentials().uid, passwd: () => readExisting("/etc/passwd") ?? "" }),
    read: readExisting,
    write: replaceFile,
    askHelper: askingHelpers((program) => printError(`berth: waiting for ${program}; an interrupt gives up\n`)),
  };
}
