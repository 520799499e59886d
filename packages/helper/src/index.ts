export { type Helper, startHelper } from "./helper.ts";
export { type Command, type CommandResult, type RunCommand, runCommand } from "./run-command.ts";
