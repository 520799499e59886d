import { invalidArgument } from "@berth/base";

/** What an image's filesystem is for; variant is empty where there is none. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

const names: Readonly<Record<string, string>> = { x86_64: "amd64", "x86-64": "amd64", aarch64: "arm64", i386: "386" };

/** As containerd writes it: amd64 and arm64 without their first variant. */
export function normalized({ os, architecture, variant }: Platform): Platform {
  const known = names[architecture.toLowerCase()] ?? architecture.toLowerCase();
  const plain = (known === "amd64" && variant === "v1") || (known === "arm64" && (variant === "8" || variant === "v8"));
  return { os: os.toLowerCase(), architecture: known, variant: plain ? "" : variant.toLowerCase() };
}

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** This machine's. */
export const hostPlatform = (): Platform => ({
  os: "linux",
  architecture: architectures[process.arch] ?? process.arch,
  variant: "",
});

/** What the platform runs, best first (containerd's platforms.Only): amd64 runs 386, arm64 runs arm. */
export function runnable(platform: Platform): Platform[] {
  const { os, architecture } = platform;
  const of = (name: string, variant = ""): Platform => ({ os, architecture: name, variant });
  if (architecture === "amd64") return [platform, of("386")];
  if (architecture === "arm64") return [platform, ...["v8", "v7", "v6", "v5"].map((variant) => of("arm", variant))];
  return [platform];
}

/** Position in the list of what runs; null where it does not run. */
export function rank(candidates: readonly Platform[], platform: Platform): number | null {
  const { os, architecture, variant } = normalized(platform);
  const position = candidates.findIndex(
    (candidate) =>
      candidate.os === os &&
      candidate.architecture === architecture &&
      (candidate.variant === variant || (architecture === "arm" && variant === "" && candidate.variant === "v7")),
  );
  return position < 0 ? null : position;
}

/** `linux/arm64/v8`, `arm64` or `linux`: what is missing is this machine's. Throws invalid-argument. */
export function parsePlatform(text: string, own: Platform = hostPlatform()): Platform {
  const parts = text.split("/");
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part)))
    throw invalidArgument(
      `platform ${JSON.stringify(text.slice(0, 200))} is none: write it as OS/ARCH[/VARIANT], as in linux/arm64`,
    );
  const [first = "", architecture, variant = ""] = parts;
  if (architecture !== undefined) return normalized({ os: first, architecture, variant });
  const isOs = systems.has(first.toLowerCase());
  return normalized(isOs ? { ...own, os: first } : { os: own.os, architecture: first, variant: "" });
}

/** `linux/arm64/v8` */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, ...(variant === "" ? [] : [variant])].join("/");

/** Those that Go knows and images are made for. */
const systems = new Set(["linux", "windows", "darwin", "freebsd"]);
