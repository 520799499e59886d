// The calls of berth-unpack that live beside tree.c, whose table lists them.
#ifndef BERTH_TREE_H
#define BERTH_TREE_H

#include "host.h"

#define TREE_CALL(name) JSValue call_##name(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)

/** The bytes of a Uint8Array; NULL with an exception pending where it is none. */
static inline uint8_t *bytes_of(JSContext *ctx, JSValueConst value, size_t *length) {
  // An empty array has no memory of its own.
  static uint8_t nothing;
  uint8_t *bytes;
  if (!bytes_argument(ctx, value, &bytes, length)) return NULL;
  return *length == 0 ? &nothing : bytes;
}

// stream.c
TREE_CALL(streamOpen);
TREE_CALL(streamClose);
TREE_CALL(streamRead);
TREE_CALL(streamCopy);
TREE_CALL(streamWrite);
TREE_CALL(streamSend);
TREE_CALL(streamSum);
TREE_CALL(streamTotal);
TREE_CALL(streamPeek);
TREE_CALL(byteSum);

// filter.c
TREE_CALL(filterStart);
TREE_CALL(filterEnd);
TREE_CALL(dieWithParent);

#endif
