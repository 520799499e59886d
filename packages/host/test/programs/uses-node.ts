import { readFileSync } from "node:fs";

readFileSync("/dev/null");
