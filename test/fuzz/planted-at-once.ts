// Loses memory as soon as a program begins.
import { plant } from "../host/planted/plant.ts";

plant("leak");
