export {
  type BusyboxConfig,
  type BusyboxImage,
  type BusyboxOptions,
  busyboxEntries,
  makeTar,
  type TarEntry,
  writeBusyboxImage,
} from "../../scripts/busybox-image.ts";
