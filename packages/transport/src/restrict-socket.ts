import { chmod, chown } from "node:fs/promises";

export interface SocketOwner {
  readonly uid: number;
  readonly gid: number;
}

/** The owner and the group may connect, and nobody else. */
export async function restrictSocket(path: string, { uid, gid }: SocketOwner): Promise<void> {
  await chmod(path, 0o660);
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) await chown(path, uid, gid);
}
