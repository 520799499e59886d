export { defaultGcSchedule, type GcSchedule } from "./gc/schedule.ts";
export { openStore, type SharingPolicy, type StoreOptions } from "./open-store.ts";
export { readFileInSnapshot, readLinkInSnapshot } from "./read-file.ts";
export { inspectPlaces, type Places } from "./root/claim.ts";
export * from "./types.ts";
