// Where a user's credentials are.

export interface Surroundings {
  env(name: string): string | null;
  readonly uid: number;
  /** The text of /etc/passwd. */
  passwd(): string;
}

/**
 * The files that may have credentials, in the order in which they are asked. $REGISTRY_AUTH_FILE stands alone, as for
 * podman and skopeo. Otherwise docker's goes before containers', the other way round than with skopeo, since a login is
 * saved in the first: what docker and nerdctl know, berth knows, and an old entry elsewhere never hides a new login.
 */
export function credentialPaths({ env, uid, passwd }: Surroundings): [string, ...string[]] {
  const only = env("REGISTRY_AUTH_FILE");
  if (only) return [only];
  const home = env("HOME") || homeIn(passwd(), uid);
  // containers-auth.json(5); without XDG_RUNTIME_DIR it is this directory of root's
  const runtime = env("XDG_RUNTIME_DIR");
  return [
    `${env("DOCKER_CONFIG") || `${home}/.docker`}/config.json`,
    runtime ? `${runtime}/containers/auth.json` : `/run/containers/${uid}/auth.json`,
    `${env("XDG_CONFIG_HOME") || `${home}/.config`}/containers/auth.json`,
  ];
}

/** A service may have no HOME. passwd(5); the root directory for who has none, as init has it. */
const homeIn = (passwd: string, uid: number): string =>
  passwd
    .split("\n")
    .map((line) => line.split(":"))
    .find(([, , id]) => id === String(uid))?.[5] ?? "";
