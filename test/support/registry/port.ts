// A TCP port on loopback that stays ours while nobody listens at it: a server that is down, and comes back.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Port extends AsyncDisposable {
  readonly number: number;
  /** Ends all connections, and refuses new ones. */
  down(): Promise<void>;
  /** Listens again. */
  up(): Promise<void>;
}

/** Listens at a port that the kernel chooses. */
export async function openPort(accept: (socket: Socket) => void): Promise<Port> {
  const sockets = new Set<Socket>();
  let listener = createServer();
  await listen(listener, 0);
  const { port } = listener.address() as AddressInfo;
  // As long as this connection is open, the kernel gives its port to nobody who asks for any.
  const holder = connect(port, "127.0.0.1");
  const [held] = (await once(listener, "connection")) as [Socket];

  const take = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {}); // a client may reset its connection at any time
    accept(socket);
  };
  const down = async (): Promise<void> => {
    // Refuses from here on; its end would be that of all connections.
    if (listener.listening) listener.close();
    await Promise.all([...sockets].map(end));
  };
  const up = async (): Promise<void> => {
    listener = createServer(take);
    await listen(listener, port);
  };
  listener.on("connection", take);
  return {
    number: port,
    down,
    up,
    async [Symbol.asyncDispose]() {
      await down();
      await Promise.all([holder, held].map(end));
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

async function end(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((done) => {
    socket.once("close", () => done());
    socket.destroy();
  });
}
