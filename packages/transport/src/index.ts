export { nodeByteStream } from "./byte-stream.ts";
export { claimSocket } from "./claim-socket.ts";
export { dial, NobodyListens } from "./dial.ts";
export { listen } from "./listen.ts";
export { restrictSocket, type SocketOwner } from "./restrict-socket.ts";
