import { kindOf, messageOf } from "@berth/base";

/** What a person is told of an error: its message, or better words where that speaks of the wire. */
export function sentenceOf(error: unknown): string {
  const message = messageOf(error);
  if (kindOf(error) === "unavailable" && message === "ttrpc: closed")
    return "berthd went away before it answered: try again once it is back";
  // The words that servers have for what they do not serve.
  if (kindOf(error) === "unimplemented" && /^(method|service) [\w.]+$/.test(message))
    return `what answers there does not know the ${message}: where it is a berthd that is older than this berth (berth version shows both), restart it`;
  return message;
}
