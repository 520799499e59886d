import { isSet, toDate } from "@berth/proto";
import type { ContainerSummary } from "@berth/proto/berth/v1";
import type { Timestamp } from "@berth/proto/google/protobuf";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { formatAgo } from "../cli/duration.ts";
import { describeState, stateWord } from "../print/describe-state.ts";
import { shortened } from "../print/display-width.ts";
import { jsonTime } from "../print/json.ts";
import { layoutTable, printable } from "../print/table.ts";
import { expectNothing } from "../session/each.ts";
import type { Session } from "../session/session.ts";

export const ps = command({
  name: "ps",
  summary: "List containers",
  usage: "",
  options: {
    all: flag("also those that do not run", { short: "a" }),
    "all-namespaces": flag("of every namespace", { short: "A" }),
    quiet: flag("ids only", { short: "q" }),
    json: flag("one JSON object a line"),
    "no-trunc": flag("whole lines, however wide the terminal is"),
  },
  async run(session, values, rest) {
    expectNothing(rest);
    const spaces = values["all-namespaces"] ? await namespacesOf(session) : [session.namespace];
    const lists = await Promise.all(spaces.map((namespace) => containersIn(session, namespace)));
    const rows = lists.flat().filter(({ container }) => values.all || isLive(container));
    if (values.json) session.print(rows.map((row) => `${JSON.stringify(jsonOf(row))}\n`).join(""));
    else if (values.quiet) session.print(rows.map(({ container }) => `${container.id}\n`).join(""));
    else {
      const width = values["no-trunc"] ? null : session.outWidth;
      session.print(
        tableOf(rows, session.now(), { withNamespace: values["all-namespaces"], whole: values["no-trunc"], width }),
      );
    }
    return 0;
  },
});

interface Row {
  readonly namespace: string;
  readonly container: ContainerSummary;
}

async function namespacesOf({ connection }: Session): Promise<string[]> {
  const { namespaces } = await connection.api.namespaces.list({});
  return namespaces.map(({ name }) => name).sort();
}

async function containersIn({ connection }: Session, namespace: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const { containers } of connection.api.engine.listContainers({}, { namespace }))
    for (const container of containers) rows.push({ namespace, container });
  return rows.sort((a, b) => millis(b.container.createdAt) - millis(a.container.createdAt));
}

const isLive = ({ status }: ContainerSummary): boolean => status !== "stopped" && status !== "none";
const millis = (time: Timestamp | null): number => (isSet(time) ? toDate(time).getTime() : 0);

function jsonOf({ namespace, container }: Row): object {
  return {
    id: container.id,
    namespace,
    image: container.image,
    command: container.args,
    createdAt: jsonTime(container.createdAt),
    status: stateWord(container.status),
    pid: container.pid === 0 ? null : container.pid,
    exitStatus: container.status === "stopped" ? container.exitStatus : null,
    exitedAt: container.status === "stopped" ? jsonTime(container.exitedAt) : null,
    outOfMemory: container.outOfMemory,
    runtime: container.runtime,
    labels: container.labels,
    // Its command and labels are longer than a message: `inspect` has them.
    ...(container.shortened && { shortened: true }),
  };
}

interface Layout {
  readonly withNamespace: boolean;
  /** Of command lines; otherwise they are cut. */
  readonly whole: boolean;
  readonly width: number | null;
}

/** Columns of a command line, unless it is asked for as a whole. */
const COMMAND_WIDTH = 30;

function tableOf(rows: readonly Row[], now: number, { withNamespace, whole, width }: Layout): string {
  const header = ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PID"];
  const cells = rows.map(({ namespace, container }) => {
    const exitedAt = isSet(container.exitedAt) ? millis(container.exitedAt) : null;
    const line = printable(container.args.join(" "));
    const row = [
      container.id,
      container.image,
      whole ? line : shortened(line, COMMAND_WIDTH),
      isSet(container.createdAt) ? formatAgo(millis(container.createdAt), now) : "",
      describeState(
        { status: container.status, exitStatus: container.exitStatus, exitedAt, outOfMemory: container.outOfMemory },
        now,
      ),
      isLive(container) && container.pid !== 0 ? String(container.pid) : "",
    ];
    return withNamespace ? [namespace, ...row] : row;
  });
  return layoutTable(withNamespace ? ["NAMESPACE", ...header] : header, cells, {
    width,
    flexible: ["COMMAND", "IMAGE", "ID"],
  });
}
