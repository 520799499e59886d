// A place in a log that stays the same while its files are renamed.
import { invalidArgument } from "@berth/base";

export interface LogPosition {
  /** Of the file. */
  readonly sequence: number;
  /** In the file: where a record begins, or where the file ends. */
  readonly offset: number;
}

export const formatPosition = ({ sequence, offset }: LogPosition): string => `${sequence}.${offset}`;

/** Throws invalid-argument. */
export function parsePosition(text: string): LogPosition {
  const match = /^(\d{1,10})\.(\d{1,15})$/.exec(text);
  if (match === null) throw invalidArgument(`${JSON.stringify(text)} is no position in a log`);
  return { sequence: Number(match[1]), offset: Number(match[2]) };
}
