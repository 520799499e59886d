import { UsageError } from "../cli/usage-error.ts";

/** The first colon ends the user (RFC 7617). Throws UsageError. */
export function parseUser(given: string): string {
  if (given === "") throw new UsageError("the user name is empty");
  if (given.includes(":")) throw new UsageError(`user name ${JSON.stringify(given)} has a colon: none may have one`);
  return given;
}
