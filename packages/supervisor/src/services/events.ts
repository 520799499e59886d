import { checkId, failedPrecondition, invalidArgument, kindOf, messageOf, unknownError } from "@berth/base";
import { isSet, toNanoseconds, toTimestamp } from "@berth/proto";
import type { Events as TtrpcEvents } from "@berth/proto/containerd/services/events/ttrpc/v1";
import type { Events } from "@berth/proto/containerd/services/events/v1";
import type { Envelope as ProtoEnvelope } from "@berth/proto/containerd/types";
import { Any } from "@berth/proto/google/protobuf";
import type { ServiceImpl } from "@berth/rpc";
import type { Envelope, Exchange } from "@berth/runtime";

function envelopeFromProto(envelope: ProtoEnvelope | null): Envelope {
  if (envelope === null || !isSet(envelope.timestamp)) throw invalidArgument("envelope has no timestamp");
  const event = envelope.event ?? Any.create();
  return {
    timestamp: toNanoseconds(envelope.timestamp),
    namespace: envelope.namespace,
    topic: envelope.topic,
    event: { typeUrl: event.typeUrl, value: event.value.slice() },
  };
}

const envelopeToProto = (envelope: Envelope): ProtoEnvelope => ({
  timestamp: toTimestamp(envelope.timestamp),
  namespace: envelope.namespace,
  topic: envelope.topic,
  event: envelope.event,
});

/** `/tasks/exit`: parts that are identifiers, each behind a slash. */
function checkTopic(topic: string): void {
  if (!topic.startsWith("/")) throw invalidArgument(`topic ${JSON.stringify(topic)} must start with "/"`);
  for (const part of topic.slice(1).split("/")) checkId("topic", part);
}

/** Takes the events of shims, on the ttrpc socket whose address they are given. */
export const ttrpcEventsService = ({ events }: { events: Exchange }): ServiceImpl<typeof TtrpcEvents> => ({
  forward(req) {
    events.forward(envelopeFromProto(req.envelope));
    return {};
  },
});

/** A filter that is none is of kind unknown here, as with containerd. */
function subscribe(events: Exchange, filters: readonly string[], signal: AbortSignal): AsyncIterable<Envelope> {
  try {
    return events.subscribe(filters, signal);
  } catch (cause) {
    if (kindOf(cause) !== "invalid-argument") throw cause;
    throw unknownError(
      `subscription error: failed parsing subscription filters: ${messageOf(cause)}: invalid argument`,
      {
        cause,
      },
    );
  }
}

export function eventsService({ events }: { events: Exchange }): ServiceImpl<typeof Events> {
  return {
    publish(req, call) {
      if (call.namespace === "") throw failedPrecondition("namespace is required");
      checkId("namespace", call.namespace);
      checkTopic(req.topic);
      const event = req.event ?? Any.create();
      events.publish(call.namespace, req.topic, { typeUrl: event.typeUrl, value: event.value.slice() });
      return {};
    },
    forward(req) {
      events.forward(envelopeFromProto(req.envelope));
      return {};
    },
    // Subscribed before anything is awaited, so that a client that subscribes and then acts misses nothing.
    subscribe(req, call) {
      const envelopes = subscribe(events, req.filters, call.signal);
      return (async function* () {
        for await (const envelope of envelopes) yield envelopeToProto(envelope);
      })();
    },
  };
}
