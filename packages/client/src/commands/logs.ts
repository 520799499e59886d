import { stdout } from "@berth/host";
import { flag, parsed } from "../args.ts";
import { command } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { writeAll } from "../write-all.ts";

export const logs = command({
  name: "logs",
  summary: "Print what a container in the background has written",
  usage: "CONTAINER",
  options: {
    follow: flag("go on until the container has ended", { short: "f" }),
    tail: parsed("only the last lines", { short: "n", value: "LINES" }, 0, parseLines),
  },
  async run(session, { follow, tail }, [id, ...more]) {
    if (id === undefined) throw new UsageError("the container is missing");
    if (more.length > 0)
      throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: logs takes one container`);
    const { connection } = session;
    void connection.api; // a supervisor that is not there is reported, not waited for
    let printed = 0;
    const read = async (from: number): Promise<void> => {
      let skip = from;
      for await (const { data } of connection.api.engine.readLogs({ id, follow, tail })) {
        const fresh = data.subarray(Math.min(skip, data.length));
        skip -= data.length - fresh.length;
        await writeAll(stdout, fresh);
        printed += fresh.length;
      }
    };
    if (tail === 0) await connection.persist(() => read(printed));
    else await read(0);
    return 0;
  },
});

function parseLines(given: string): number {
  const lines = Number(given);
  if (!/^\d{1,9}$/.test(given) || lines === 0)
    throw new UsageError(`${JSON.stringify(given)} is not a number of lines: write 1 or more`);
  return lines;
}
