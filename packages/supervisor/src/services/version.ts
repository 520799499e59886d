import type { Version } from "@berth/proto/containerd/services/version/v1";
import type { ServiceImpl } from "@berth/rpc";

export const versionService = (build: { version: string; revision: string }): ServiceImpl<typeof Version> => ({
  version: () => ({ version: build.version, revision: build.revision }),
});
