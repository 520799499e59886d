// The parts of the client that other tools may share: nothing here asks anyone or prints.
export { formatAgo, formatDuration, parseDuration } from "./duration.ts";
export { formatSize, parseSize } from "./size.ts";
export { layoutTable } from "./table.ts";
