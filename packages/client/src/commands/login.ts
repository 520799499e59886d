import { flag, parsed } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { parseUser } from "../registry/user-name.ts";

export const login = command({
  name: "login",
  summary: "Log in to a registry",
  usage: "[REGISTRY]",
  notes:
    "Without REGISTRY it is docker.io. The login is saved by the credential helper that docker's config.json names (credHelpers, credsStore), or in that file itself, where it is not encrypted; docker and nerdctl find it there. REGISTRY_AUTH_FILE names another file.",
  options: {
    username: parsed("who logs in", { short: "u", value: "NAME" }, "", parseUser),
    "password-stdin": flag("read the password from stdin, up to its end"),
    password: parsed("refused, as others could read it", { short: "p", value: "PASSWORD" }, "", refusePassword),
  },
  async run(session, { username, "password-stdin": fromStdin }, rest) {
    const { askLogin, checkSavable, credentialDeps, parseRegistry, passwordOnStdin, saveLogin } = await import(
      "../registry/credentials-unit.ts"
    );
    const host = parseRegistry(rest);
    if (fromStdin && username === "") throw new UsageError("--password-stdin needs --username");
    const deps = credentialDeps(session);
    checkSavable(host, deps);
    const { user, password } = fromStdin
      ? { user: username, password: await passwordOnStdin() }
      : await askLogin(username);
    const checked = await session.verify(host, { kind: "password", user, password });
    const place = await saveLogin(host, checked, deps);
    session.print(`logged in to ${host}; saved to ${place}\n`);
    return exitCodes.ok;
  },
});

function refusePassword(): never {
  throw new UsageError("every user of this machine could read the password: pipe it in, with --password-stdin");
}
