export { isType, packAny, typeUrls, unpackAny } from "./any.ts";
export { DecodeError, type Init, Kind, MessageType, message } from "./codec.ts";
export { type Method, type MethodKind, type Service, service } from "./service.ts";
export { TaskV3 } from "./task-v3.ts";
export { isSet, toDate, toNanoseconds, toTimestamp } from "./time.ts";
export { eventTypes, topics } from "./topics.ts";
