import { connectUnix, isCode } from "@berth/host";
import { Engine } from "@berth/proto/berth/v1";
import { Events } from "@berth/proto/containerd/services/events/v1";
import { Images } from "@berth/proto/containerd/services/images/v1";
import { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import { Version } from "@berth/proto/containerd/services/version/v1";
import type { CallOptions, Client } from "@berth/rpc";
import { createClient, type TtrpcClient } from "@berth/ttrpc";
import { type Api, type Link, Unreachable } from "./connection.ts";

/** Connects to the supervisor's ttrpc socket beside its address. Calls without a namespace are in this one. */
export function openLink(address: string, namespace: string): Link {
  const client = connect(address);
  let open = true;
  const settle = () => {
    open = false;
  };
  void client.closed.then(settle, settle);
  return {
    api: apiOf(client, namespace),
    get open() {
      return open;
    },
    close: () => client.close(),
  };
}

function connect(address: string): TtrpcClient {
  try {
    // What comes is passed on to terminals and pipes, whose readers may take their time.
    return createClient(connectUnix(`${address}.ttrpc`), { waitsForReaders: true });
  } catch (error) {
    if (isCode(error, "EACCES", "EPERM")) throw new Unreachable(address, "permission denied", notAllowed);
    throw new Unreachable(address, reasonOf(error));
  }
}

const notAllowed = "Its socket is for its owner and group: run berth as root, or as one of that group.";

function reasonOf(error: unknown): string {
  if (isCode(error, "ENOENT", "ENOTDIR")) return "there is no such socket";
  if (isCode(error, "ECONNREFUSED")) return "nobody listens there";
  return error instanceof Error ? error.message : String(error);
}

/** Clients are made when they are first used: a command needs one or two. */
function apiOf(client: TtrpcClient, namespace: string): Api {
  const made = new Map<object, unknown>();
  const service = <S extends { readonly typeName: string; readonly methods: object }>(of: S): Client<S> => {
    if (!made.has(of)) made.set(of, inNamespace(client.service(of), namespace));
    return made.get(of) as Client<S>;
  };
  return {
    get engine() {
      return service(Engine);
    },
    get tasks() {
      return service(Tasks);
    },
    get images() {
      return service(Images);
    },
    get events() {
      return service(Events);
    },
    get namespaces() {
      return service(Namespaces);
    },
    get version() {
      return service(Version);
    },
  };
}

function inNamespace<C extends object>(client: C, namespace: string): C {
  const out: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(client) as [
    string,
    (request: unknown, options: CallOptions) => unknown,
  ][])
    out[name] = (request: unknown, options?: CallOptions) => method(request, { namespace, ...options });
  return out as C;
}
