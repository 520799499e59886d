import { connectGrpc } from "@berth/grpc";
import { startBerthd } from "../support/berthd.ts";
import { hasContainerd, startContainerd } from "../support/containerd.ts";
import { storeClients, storeContract } from "./store-suite.ts";

const isRoot = process.getuid?.() === 0;

/** The suite's server from anything that listens and can be stopped. */
const server = async (daemon: { readonly address: string; stop(): Promise<void> }) => {
  const connection = connectGrpc(daemon.address);
  return {
    clients: storeClients(connection),
    async [Symbol.asyncDispose]() {
      connection.close();
      await daemon.stop();
    },
  };
};

// The original first: what it fails is a wrong expectation.
storeContract(
  "containerd",
  async () => server(await startContainerd()),
  hasContainerd() ? {} : { skip: "containerd is not installed, or we are not root" },
);
storeContract("berthd", async () => server(await startBerthd()), isRoot ? {} : { skip: "we are not root" });
