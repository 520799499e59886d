// Loses memory as soon as a program begins.
import { plant } from "../../packages/host/test/planted/plant.ts";

plant("leak");
