export { type Helper, startHelper } from "./helper.ts";
export { identify, identityOf, isAlive, type ProcessIdentity, tellsEnd } from "./process-identity.ts";
export { type Command, type CommandResult, type RunCommand, runCommand } from "./run-command.ts";
