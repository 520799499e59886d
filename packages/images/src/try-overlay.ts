import { runUnpack } from "./run-unpack.ts";

/** Has berth-unpack make an overlay and check what layers need of it, by the calls that unpack them. */
export const tryOverlayWith =
  (unpackPath: string) =>
  async (job: { readonly directory: string; readonly options: readonly string[] }): Promise<void> => {
    const { signal } = new AbortController();
    await runUnpack({ program: unpackPath, command: "probe", job, signal, onOutput: null });
  };
