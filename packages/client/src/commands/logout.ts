import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";

export const logout = command({
  name: "logout",
  summary: "Log out of a registry",
  usage: "[REGISTRY]",
  notes: "Without REGISTRY it is docker.io.",
  options: {},
  async run(session, _values, rest) {
    const { credentialDeps, othersWith, parseRegistry, removeLogin } = await import("../registry/credentials-unit.ts");
    const host = parseRegistry(rest);
    const deps = credentialDeps(session);
    const removed = await removeLogin(host, deps);
    session.print(removed ? `logged out of ${host}\n` : `there was no login to ${host}\n`);
    for (const path of othersWith(host, deps))
      session.printError(
        `berth: ${path} has credentials for ${host} as well: podman logout, or an editor, removes them\n`,
      );
    return exitCodes.ok;
  },
});
