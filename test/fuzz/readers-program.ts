// A program for the host: feeds the shim's readers for some seconds, from a seed. Says how often.
import { argv, exit, print, printError } from "@berth/host";
import { createRandom } from "./random.ts";
import { feedOne } from "./reader.ts";
import { shimReaders } from "./shim-readers.ts";

async function run(seed: number, seconds: number): Promise<number> {
  const random = createRandom(seed);
  let count = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; count++) await feedOne(shimReaders, random);
  return count;
}

const [, seed, seconds] = argv;
run(Number(seed), Number(seconds)).then(
  (count) => {
    print(`${count}\n`);
    exit(0);
  },
  (error: Error) => {
    printError(`${error.message}\n${error.stack}`);
    exit(1);
  },
);
