import { invalidArgument } from "@berth/base";
import { filesOf, removeFiles } from "@berth/engine";
import { checkBounds } from "@berth/images";
import { typeUrls } from "@berth/proto";
import type { Containers } from "@berth/proto/containerd/services/containers/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { ContainerStore } from "@berth/store";
import { pathsOf } from "./convert-common.ts";
import { containerFromProto, containerToProto } from "./convert-container.ts";

export function containersService({
  containers,
  files,
}: {
  containers: ContainerStore;
  /** Directory of the files that are made for containers. */
  files: string;
}): ServiceImpl<typeof Containers> {
  const fromRequest = (container: Parameters<typeof containerFromProto>[0]) => {
    const wanted = containerFromProto(container);
    // Lists and tasks parse it: what that costs them is bounded here.
    if (wanted.spec?.typeUrl === typeUrls.spec)
      checkBounds(wanted.spec.value, `the spec of container ${JSON.stringify(wanted.id)}`);
    return wanted;
  };
  return {
    get: (req, call) => ({ container: containerToProto(containers.get(call, req.id)) }),
    list: (req, call) => ({ containers: containers.list(call, req.filters).map(containerToProto) }),
    async *listStream(req, call) {
      for (const record of containers.list(call, req.filters)) yield { container: containerToProto(record) };
    },
    create(req, call) {
      const container = containerToProto(containers.create(call, fromRequest(req.container)));
      return { container };
    },
    update(req, call) {
      const wanted = fromRequest(req.container);
      if (wanted.id === "") throw invalidArgument("container id is required");
      const container = containerToProto(containers.update(call, wanted, pathsOf(req.updateMask)));
      return { container };
    },
    delete(req, call) {
      // By the record's id: the request's may be any text.
      const { id } = containers.get(call, req.id);
      removeFiles(filesOf(files, call.namespace, id));
      containers.delete(call, id);
      return {};
    },
  };
}
