import { it } from "node:test";
import { plant } from "./plant.ts";

it("passes and leaks", () => plant("leak"));
