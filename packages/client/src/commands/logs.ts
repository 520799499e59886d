import { stderr, stdout } from "@berth/host";
import { LogStream } from "@berth/proto/berth/v1";
import { flag, parsed } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { UsageError } from "../cli/usage-error.ts";
import { writeAll } from "../print/write-all.ts";

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
    let after = "";
    await connection.persist(async ({ engine }) => {
      for await (const { data, stream, position } of engine.readLogs({ id, follow, tail, after })) {
        await writeAll(stream === LogStream.LOG_STREAM_STDOUT ? stdout : stderr, data);
        after = position;
      }
    });
    return 0;
  },
});

function parseLines(given: string): number {
  const lines = Number(given);
  if (!/^\d{1,9}$/.test(given) || lines === 0)
    throw new UsageError(`${JSON.stringify(given)} is not a number of lines: write 1 or more`);
  return lines;
}
