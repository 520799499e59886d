/** What was typed cannot be understood. One sentence; the program ends with 2. */
export class UsageError extends Error {
  override name = "UsageError";
}
