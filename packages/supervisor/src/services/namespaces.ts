import { checkId } from "@berth/base";
import { topics } from "@berth/proto";
import { NamespaceCreate, NamespaceDelete, NamespaceUpdate } from "@berth/proto/containerd/events";
import { Namespace, type Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import type { ServiceImpl } from "@berth/rpc";
import type { Exchange } from "@berth/runtime";
import type { NamespaceStore } from "@berth/store";
import { announce } from "./announce.ts";
import { pathsOf } from "./convert-common.ts";

/** Events of a namespace are published in that namespace, whatever the caller's is. */
export function namespacesService({
  namespaces,
  events,
}: {
  namespaces: NamespaceStore;
  events: Exchange;
}): ServiceImpl<typeof Namespaces> {
  return {
    get: (req) => ({ namespace: namespaces.get(req.name) }),
    list: () => ({ namespaces: namespaces.list() }),
    create(req) {
      const wanted = req.namespace ?? Namespace.create();
      checkId("namespace", wanted.name);
      const namespace = namespaces.create(wanted);
      announce(events, namespace.name, topics.namespaceCreate, NamespaceCreate, namespace);
      return { namespace };
    },
    update(req) {
      const wanted = req.namespace ?? Namespace.create();
      checkId("namespace", wanted.name);
      const namespace = namespaces.update(wanted, pathsOf(req.updateMask));
      announce(events, namespace.name, topics.namespaceUpdate, NamespaceUpdate, namespace);
      return { namespace };
    },
    delete(req) {
      checkId("namespace", req.name);
      namespaces.delete(req.name);
      announce(events, req.name, topics.namespaceDelete, NamespaceDelete, { name: req.name });
      return {};
    },
  };
}
