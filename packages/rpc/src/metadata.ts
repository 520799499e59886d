// Which metadata keys carry the namespace and the lease. containerd has no lease key for ttrpc; the one
// here is berth's own, so that the thin client can hold leases as well.

export interface MetadataKeys {
  readonly namespace: string;
  readonly lease: string;
}

export const grpcKeys: MetadataKeys = { namespace: "containerd-namespace", lease: "containerd-lease" };
export const ttrpcKeys: MetadataKeys = { namespace: "containerd-namespace-ttrpc", lease: "containerd-lease-ttrpc" };

/** The metadata of a call: without a prototype, because a peer chooses the keys. */
export type Metadata = Record<string, string>;

export const newMetadata = (): Metadata => Object.create(null) as Metadata;

/** Keeps the value unless the key is there: servers read the first value. Keys are compared in lower case. */
export function addMetadata(metadata: Metadata, key: string, value: string): void {
  const name = key.toLowerCase();
  if (metadata[name] === undefined) metadata[name] = value;
}
