// What `delete` needs to know when the server is gone. The file's keys are those of containerd's runc shim, so that
// either one can clean up after the other.
import { Options } from "@berth/proto/containerd/runc/v1";

/** The text of options.json. */
export const formatOptions = ({ binaryName, root, systemdCgroup }: Options): string =>
  JSON.stringify({ binary_name: binaryName, root, systemd_cgroup: systemdCgroup });

/** The options in the text as far as they are there. */
export function parseOptions(text: string): Options {
  let saved: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) saved = value as Record<string, unknown>;
  } catch {
    // absent, or torn by a crash: the defaults are the best that is left
  }
  const word = (key: string) => (typeof saved[key] === "string" ? (saved[key] as string) : "");
  return Options.create({
    binaryName: word("binary_name"),
    root: word("root"),
    systemdCgroup: saved.systemd_cgroup === true,
  });
}
