// A program that makes the mistake of its argument, after it has given up its root where a second one is there.
import { argv, exit, O, open, print } from "@berth/host";
import { tree } from "../../../packages/unpack/src/tree.ts";
import { plant } from "./plant.ts";

const [, kind = "nothing", root] = argv;
if (root !== undefined) tree.confine(open(root, O.RDONLY | O.DIRECTORY));
plant(kind);
print("done\n");
exit(0);
