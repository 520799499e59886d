// A program on the client's host that prints what a HOST is shown for a REPOSITORY, as a pull would find it.
import { argv, exit, print, printError } from "@berth/host";
import { findCredentials } from "../../packages/client/src/registry/credential-store.ts";
import { credentialDeps } from "../../packages/client/src/registry/user-credentials.ts";

const [, host = "", repository = ""] = argv;
findCredentials(host, repository, credentialDeps({ printError })).then(
  (found) => print(`${JSON.stringify(found)}\n`),
  (error: Error) => {
    printError(`${error.name}: ${error.message}\n`);
    exit(1);
  },
);
