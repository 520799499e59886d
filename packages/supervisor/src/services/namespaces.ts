import { checkId } from "@berth/base";
import type { Lives } from "@berth/engine";
import { Namespace, type Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { NamespaceStore } from "@berth/store";
import { pathsOf } from "./convert-common.ts";

/** Events of a namespace are published in that namespace, whatever the caller's is. */
export function namespacesService({
  namespaces,
  lives,
}: {
  namespaces: NamespaceStore;
  lives: Lives;
}): ServiceImpl<typeof Namespaces> {
  return {
    get: (req) => ({ namespace: namespaces.get(req.name) }),
    list: () => ({ namespaces: namespaces.list() }),
    create(req) {
      const wanted = req.namespace ?? Namespace.create();
      checkId("namespace", wanted.name);
      const namespace = namespaces.create(wanted);
      return { namespace };
    },
    update(req) {
      const wanted = req.namespace ?? Namespace.create();
      checkId("namespace", wanted.name);
      const namespace = namespaces.update(wanted, pathsOf(req.updateMask));
      return { namespace };
    },
    async delete(req) {
      checkId("namespace", req.name);
      await lives.left({ namespace: req.name });
      namespaces.delete(req.name);
      return {};
    },
  };
}
