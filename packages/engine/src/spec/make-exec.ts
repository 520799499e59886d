import { invalidArgument } from "@berth/base";
import type { OciProcess, OciSpec } from "../oci.ts";
import type { ExecOptions } from "../types.ts";
import { capabilitySets } from "./capabilities.ts";
import { mergeEnvironment } from "./environment.ts";
import { findUser, homeOf, type ReadRootFile } from "./find-user.ts";
import { heldCapabilities } from "./held-capabilities.ts";

/** One more process in a container: like its first, but for what the caller asked for. */
export async function makeExec(
  spec: OciSpec,
  options: ExecOptions,
  image: string,
  read: ReadRootFile,
): Promise<OciProcess> {
  if (options.args.length === 0) throw invalidArgument("the command is missing: give one");
  const found = options.user === "" ? null : await findUser(options.user, image, read);
  const home = found === null || (await hasHomeOfItsOwn(spec, read)) ? [] : [`HOME=${found.home}`];
  const cwd = options.cwd || spec.process.cwd;
  if (!cwd.startsWith("/")) throw invalidArgument(`working directory ${JSON.stringify(cwd)} must be an absolute path`);
  return {
    ...spec.process,
    terminal: options.terminal,
    user: found?.user ?? spec.process.user,
    args: [...options.args],
    env: mergeEnvironment([spec.process.env ?? [], home, options.env], options.terminal),
    cwd,
    ...(options.privileged ? { capabilities: capabilitySets(heldCapabilities()), noNewPrivileges: false } : {}),
  };
}

/** Whether somebody chose HOME for the container: it is then everybody's. Else it is that of the container's user. */
async function hasHomeOfItsOwn({ process }: OciSpec, read: ReadRootFile): Promise<boolean> {
  const entry = process.env?.find((each) => each.startsWith("HOME="));
  return entry !== undefined && entry !== `HOME=${await homeOf(process.user.uid, read)}`;
}
