/** Where systemd keeps a slice: `a-b.slice` is `/a.slice/a-b.slice` (systemd.slice(5)). Other names are paths. */
export function slicePath(parent: string): string {
  if (!parent.endsWith(".slice") || parent.includes("/")) return parent.startsWith("/") ? parent : `/${parent}`;
  const parts = parent.slice(0, -".slice".length).split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}
