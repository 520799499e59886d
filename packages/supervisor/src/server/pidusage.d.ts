// The part of pidusage that is used; it brings no types.
declare module "pidusage" {
  interface Usage {
    readonly pid: number;
    /** Resident bytes. */
    readonly memory: number;
    /** Milliseconds in user and kernel mode. */
    readonly ctime: number;
    /** Milliseconds since it was started. */
    readonly elapsed: number;
  }
  /** By pid; null for one that is gone. `maxage`: milliseconds that what was seen is kept. */
  const pidusage: (
    pids: readonly number[],
    options: { readonly maxage: number },
  ) => Promise<Record<string, Usage | null>>;
  export default pidusage;
}
