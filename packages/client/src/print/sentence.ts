import { kindOf, messageOf } from "@berth/base";

/** What a person is told of an error: its message, or better words where that speaks of the wire. */
export const sentenceOf = (error: unknown): string =>
  kindOf(error) === "unavailable" && messageOf(error) === "ttrpc: closed"
    ? "berthd went away before it answered: try again once it is back"
    : messageOf(error);
