import { connectGrpc } from "@berth/grpc";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { storeClients, storeContract } from "./store-suite.ts";

storeContract(
  "containerd",
  async () => {
    const containerd = await startContainerd();
    const connection = connectGrpc(containerd.address);
    return {
      clients: storeClients(connection),
      async [Symbol.asyncDispose]() {
        connection.close();
        await containerd.stop();
      },
    };
  },
  hasContainerd() ? {} : { skip: "containerd is not installed, or we are not root" },
);
