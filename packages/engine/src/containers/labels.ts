// What is kept in the labels of a container's record.

/** As containerd's client notes it. */
export const stopSignalLabel = "io.containerd.image.config.stop-signal";
/** Digest of what the image's name meant when the container was made. */
export const imageDigestLabel = "berth.image.digest";
/** "true": it is removed when it has ended. */
export const autoRemoveLabel = "berth.auto-remove";
