// A unit of its own: few containers have so many layers.
export { mountOverlay as mountLongOverlay } from "@berth/host";
