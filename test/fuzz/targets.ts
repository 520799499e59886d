// Everything that reads what others wrote.

import { berthdArchives, berthdRequests } from "./berthd.ts";
import { hostReaders } from "./host-readers.ts";
import { parsing } from "./parsers.ts";
import { shimCommands } from "./shim-commands.ts";
import { shimFrames } from "./shim-frames.ts";
import { shimRequests } from "./shim-requests.ts";
import { shimSandbox } from "./shim-sandbox.ts";
import type { Target } from "./target.ts";
import { unpack } from "./unpack.ts";

export const targets: readonly Target[] = [
  parsing,
  hostReaders,
  shimFrames,
  shimRequests,
  shimSandbox,
  shimCommands,
  unpack,
  berthdRequests,
  berthdArchives,
];
