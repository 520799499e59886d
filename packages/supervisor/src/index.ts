export { revision, version } from "./version.ts";
