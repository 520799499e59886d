// passwd(5) and group(5) as values. Files come from images: lines that make no sense are skipped. Lines are trimmed, for
// files that were written with CRLF or indented.

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

/** 2^32 - 1 means "no change" to chown(2) and setresuid(2). */
export const LARGEST_ID = 0xfffffffe;

/** A user or group id in decimal, else null. */
export function parseNumericId(text: string): number | null {
  if (!/^[0-9]+$/.test(text)) return null;
  const id = Number(text);
  return id <= LARGEST_ID ? id : null;
}

/** The fields of each line; one at a time, as files may be long and most lookups end early. */
function* rows(text: string): Generator<string[]> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const line = text.slice(from, end < 0 ? text.length : end).trim();
    from = end < 0 ? text.length : end + 1;
    if (line !== "" && !line.startsWith("#")) yield line.split(":");
  }
}

export function* parsePasswd(text: string): Generator<PasswdEntry> {
  for (const [name, , uidText = "", gidText = "", , home = ""] of rows(text)) {
    const uid = parseNumericId(uidText);
    const gid = parseNumericId(gidText);
    if (name && uid !== null && gid !== null) yield { name, uid, gid, home };
  }
}

export function* parseGroup(text: string): Generator<GroupEntry> {
  for (const [name, , gidText = "", members = ""] of rows(text)) {
    const gid = parseNumericId(gidText);
    if (name && gid !== null) yield { name, gid, members: members.split(",").filter((member) => member !== "") };
  }
}
