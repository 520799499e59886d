export { type Clock, systemClock } from "./clock.ts";
export type { Credentials } from "./credentials.ts";
export type { Descriptor, Mount } from "./descriptor.ts";
export { type Digest, hexOf, isDigest, parseDigest } from "./digest.ts";
export {
  aborted,
  alreadyExists,
  BerthError,
  canceled,
  dataLoss,
  deadlineExceeded,
  type ErrorKind,
  failedPrecondition,
  internalError,
  invalidArgument,
  isAlreadyExists,
  isNotFound,
  kindOf,
  messageOf,
  notFound,
  outOfRange,
  permissionDenied,
  resourceExhausted,
  unavailable,
  unimplemented,
  unknownError,
} from "./errors.ts";
export { type Adaptor, type Matcher, parseFilters } from "./filter.ts";
export { formatGoDuration, parseGoDuration } from "./go-duration.ts";
export { checkId } from "./id.ts";
export { formatInstant, type Instant, instantOfMs, msOf } from "./instant.ts";
export { checkLabels, type Labels, TEMPORARY_LEASE, withoutEmpty } from "./labels.ts";
export { type Log, type LogFields, silent } from "./log.ts";
export { mountsBelow } from "./mounts-below.ts";
export { nearest } from "./nearest.ts";
export { type ShortOptions, shortOptions } from "./overlay-options.ts";
export { checkPlainPaths, plainPaths } from "./plain-paths.ts";
export { startTimeIn } from "./process-stat.ts";
export { familiarName, normalizeReference, parseReference, type Reference } from "./reference.ts";
export {
  createTarReader,
  emptyMember,
  paddedSize,
  parsePax,
  TAR_BLOCK,
  type TarMember,
  type TarReader,
  type TarStep,
  type TarType,
} from "./tar-header.ts";
export { decodeName, encodeName } from "./tar-name.ts";
export { encodeTarHeader } from "./tar-writer.ts";
