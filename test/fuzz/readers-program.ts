// A program for the host: feeds the shim's readers so many times, from a seed.
import { argv, exit, print, printError, readText } from "@berth/host";
import { createRandom } from "./random.ts";
import { feedOne } from "./reader.ts";
import { shimReaders } from "./shim-readers.ts";

/** User time in ticks of 10 ms (proc_pid_stat(5)). */
const spent = () => Number(readText("/proc/self/stat").split(") ")[1]?.split(" ")[11]) * 10;

async function run(seed: number, inputs: number): Promise<void> {
  const random = createRandom(seed);
  for (let count = 0; count < inputs; count++) await feedOne(shimReaders, random, spent);
}

const [, seed, inputs] = argv;
run(Number(seed), Number(inputs)).then(
  () => {
    print("done\n");
    exit(0);
  },
  (error: Error) => {
    printError(`${error.message}\n${error.stack}`);
    exit(1);
  },
);
