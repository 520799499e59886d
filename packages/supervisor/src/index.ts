export { defaultSpec } from "./spec/default-spec.ts";
export { revision, version } from "./version.ts";
