// fstab-style mount options as mount(2) takes them: flags, propagation and what is left for the file system.

/** The names in the order of containerd's table; `clear` flags are taken back by a later opposite. */
const set: Readonly<Record<string, readonly FlagName[]>> = {
  ro: ["RDONLY"],
  nosuid: ["NOSUID"],
  nodev: ["NODEV"],
  noexec: ["NOEXEC"],
  sync: ["SYNCHRONOUS"],
  dirsync: ["DIRSYNC"],
  remount: ["REMOUNT"],
  mand: ["MANDLOCK"],
  noatime: ["NOATIME"],
  nodiratime: ["NODIRATIME"],
  bind: ["BIND"],
  rbind: ["BIND", "REC"],
  relatime: ["RELATIME"],
  strictatime: ["STRICTATIME"],
};
const clear: Readonly<Record<string, FlagName | null>> = {
  rw: "RDONLY",
  suid: "NOSUID",
  dev: "NODEV",
  exec: "NOEXEC",
  async: "SYNCHRONOUS",
  nomand: "MANDLOCK",
  atime: "NOATIME",
  diratime: "NODIRATIME",
  norelatime: "RELATIME",
  nostrictatime: "STRICTATIME",
  defaults: null,
};
const propagations: Readonly<Record<string, readonly FlagName[]>> = {
  private: ["PRIVATE"],
  rprivate: ["PRIVATE", "REC"],
  shared: ["SHARED"],
  rshared: ["SHARED", "REC"],
  slave: ["SLAVE"],
  rslave: ["SLAVE", "REC"],
  unbindable: ["UNBINDABLE"],
  runbindable: ["UNBINDABLE", "REC"],
};

export type FlagName =
  | "RDONLY"
  | "NOSUID"
  | "NODEV"
  | "NOEXEC"
  | "REMOUNT"
  | "BIND"
  | "REC"
  | "PRIVATE"
  | "SLAVE"
  | "SHARED"
  | "NOATIME"
  | "RELATIME"
  | "STRICTATIME"
  | "NODIRATIME"
  | "SYNCHRONOUS"
  | "DIRSYNC"
  | "MANDLOCK"
  | "UNBINDABLE";

export interface MountPlan {
  readonly flags: readonly FlagName[];
  /** One more mount(2) each, with these flags. */
  readonly propagation: readonly (readonly FlagName[])[];
  /** Options for the file system, in their order. */
  readonly data: readonly string[];
}

/** Not what every object inherits: an option may be called `constructor`. */
const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

export function planMount(options: readonly string[]): MountPlan {
  const flags = new Set<FlagName>();
  const propagation: (readonly FlagName[])[] = [];
  const data: string[] = [];
  for (const option of options) {
    const adds = own(set, option);
    const drops = own(clear, option);
    const spreads = own(propagations, option);
    if (adds !== undefined) for (const flag of adds) flags.add(flag);
    else if (drops !== undefined) {
      if (drops !== null) flags.delete(drops);
    } else if (spreads !== undefined) propagation.push(spreads);
    else if (option !== "") data.push(option);
  }
  return { flags: [...flags], propagation, data };
}
