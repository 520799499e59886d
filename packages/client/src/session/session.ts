import type { Verify } from "../registry/credential-store.ts";
import type { Connection } from "./connection.ts";

/** What a command works with: whom it asks, and where it prints. */
export interface Session {
  /** Of the supervisor's gRPC socket. */
  readonly address: string;
  readonly namespace: string;
  readonly connection: Connection;
  readonly verify: Verify;
  print(text: string): void;
  printError(text: string): void;
  readonly outIsTerminal: boolean;
  /** Of the terminal that stdout is, in columns; null where it is none. */
  readonly outWidth: number | null;
  readonly errorIsTerminal: boolean;
  /** Milliseconds since the epoch. */
  now(): number;
}
