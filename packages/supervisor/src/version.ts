/** Set by the build. */
declare const BERTH_REVISION: string | undefined;

export const version = "0.1.0";
export const revision: string = typeof BERTH_REVISION === "string" ? BERTH_REVISION : "";
