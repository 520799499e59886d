export type { Change } from "./changes.ts";
export { DamagedBlob } from "./content/damaged-blob.ts";
export { defaultGcSchedule, type GcSchedule } from "./gc/schedule.ts";
export { openStore, type SharingPolicy, type StoreOptions } from "./open-store.ts";
export { deleteBatch, listQuarantine, type QuarantineArea } from "./quarantine.ts";
export { readFileInSnapshot, readLinkInSnapshot } from "./read-file.ts";
export { endRecovery, recoverStore } from "./recover/recover-store.ts";
export { inspectPlaces, type Places } from "./root/claim.ts";
export * from "./types.ts";
