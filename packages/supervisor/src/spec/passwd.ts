// passwd(5) and group(5) as values. Files come from images: lines that make no sense are skipped.

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 0xffffffff;

/** A user or group id in decimal, else null. */
export function parseNumericId(text: string): number | null {
  if (!/^[0-9]{1,10}$/.test(text)) return null;
  const id = Number(text);
  return id < MAX_ID ? id : null;
}

function* rows(text: string): Generator<string[]> {
  for (const line of text.split("\n")) {
    if (line !== "" && !line.startsWith("#")) yield line.split(":");
  }
}

export function parsePasswd(text: string): PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const [name, , uidText = "", gidText = "", , home = ""] of rows(text)) {
    const uid = parseNumericId(uidText);
    const gid = parseNumericId(gidText);
    if (name && uid !== null && gid !== null) entries.push({ name, uid, gid, home });
  }
  return entries;
}

export function parseGroup(text: string): GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const [name, , gidText = "", members = ""] of rows(text)) {
    const gid = parseNumericId(gidText);
    if (name && gid !== null) entries.push({ name, gid, members: members.split(",").filter((m) => m !== "") });
  }
  return entries;
}
