// What deals with credentials, as a unit of the program (packages/host/README.md): most commands never load it.
export { askLogin, passwordOnStdin } from "./ask.ts";
export { checkSavable, findCredentials, othersWith, removeLogin, saveLogin } from "./credential-store.ts";
export { parseRegistry } from "./registry-name.ts";
export { credentialDeps } from "./user-credentials.ts";
