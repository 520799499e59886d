import { unavailable } from "@berth/base";
import { eventTypes, unpackAny } from "@berth/proto";
import type { Envelope } from "@berth/proto/containerd/types";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { jsonTime, jsonValue } from "../print/json.ts";
import { printable } from "../print/table.ts";

export const events = command({
  name: "events",
  summary: "Print what happens, as it happens",
  usage: "[FILTER…]",
  notes:
    "An event is printed when any filter matches it, those of all namespaces without one:\n" +
    "  berth events 'topic~=|^/tasks/|,namespace==default'",
  options: { json: flag("one JSON object a line") },
  async run(session, { json }, filters) {
    const { connection, print, printError } = session;
    void connection.api; // a supervisor that is not there is reported, not waited for
    let lost = false;
    return await connection.persist(async ({ events, version }) => {
      if (lost) {
        await version.version({});
        connection.back();
        printError("berth: berthd is back; what happened meanwhile was not seen\n");
      }
      lost = true;
      for await (const envelope of events.subscribe({ filters }))
        print(`${json ? jsonLine(envelope) : plainLine(envelope)}\n`);
      throw unavailable("berthd has ended the subscription"); // which has no end of its own
    });
  },
});

/** The event as a value for JSON; one of a type that is not known keeps its bytes. */
function eventOf({ event }: Envelope): unknown {
  if (event === null) return null;
  for (const type of eventTypes) {
    const message = unpackAny<object>(type, event);
    if (message !== null) return jsonValue(message);
  }
  return jsonValue(event);
}

const jsonLine = (envelope: Envelope): string =>
  JSON.stringify({
    timestamp: jsonTime(envelope.timestamp),
    namespace: envelope.namespace,
    topic: envelope.topic,
    type: envelope.event?.typeUrl ?? null,
    event: eventOf(envelope),
  });

const plainLine = (envelope: Envelope): string =>
  [jsonTime(envelope.timestamp) ?? "-", envelope.namespace, envelope.topic, JSON.stringify(eventOf(envelope))]
    .map(printable)
    .join(" ");
