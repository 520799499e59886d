/** Points at a blob (OCI image specification, descriptor). Size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A mount, made by the owner of the mount namespace (mount(2) arguments, fstab-style options). */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** Path below the root that the mounts are applied to; empty is the root itself. */
  readonly target: string;
  readonly options: readonly string[];
}
