// Hashed streams: what passes through is added to a SHA-256 on the way, so that a tar is read once, and a body
// moves from a descriptor to another in one call.
#include "tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sha256.h"

enum { STREAMS = 4, BUFFER = 256 * 1024 };

static struct stream {
  int fd;
  int open;
  uint8_t *buffer;
  size_t at, filled;
  struct berth_sha256 sum;
} streams[STREAMS];

static struct stream *stream_of(JSContext *ctx, JSValueConst value) {
  int32_t handle;
  if (JS_ToInt32(ctx, &handle, value)) return NULL;
  if (handle < 0 || handle >= STREAMS || !streams[handle].open) {
    JS_ThrowRangeError(ctx, __FILE__, __LINE__, "stream %d is not open", handle);
    return NULL;
  }
  return &streams[handle];
}

static int write_whole(int fd, const uint8_t *p, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, p, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    p += n;
    length -= (size_t)n;
  }
  return 0;
}

/** Bytes in the buffer, after reading when there were none; 0 at the end; -errno. */
static ssize_t fill(struct stream *s) {
  if (s->at < s->filled) return (ssize_t)(s->filled - s->at);
  ssize_t n;
  do n = read(s->fd, s->buffer, BUFFER);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  s->at = 0;
  s->filled = (size_t)n;
  berth_sha256_add(&s->sum, s->buffer, (size_t)n);
  return n;
}

// streamOpen(fd): the descriptor stays the caller's.
TREE_CALL(streamOpen) {
  UNUSED;
  int32_t fd;
  if (JS_ToInt32(ctx, &fd, argv[0])) return JS_EXCEPTION;
  for (int i = 0; i < STREAMS; i++) {
    struct stream *s = &streams[i];
    if (s->open) continue;
    s->buffer = malloc(BUFFER);
    if (!s->buffer) return JS_NewInt32(ctx, -ENOMEM);
    s->fd = fd;
    s->open = 1;
    s->at = s->filled = 0;
    berth_sha256_start(&s->sum);
    return JS_NewInt32(ctx, i);
  }
  return JS_NewInt32(ctx, -EMFILE);
}

TREE_CALL(streamClose) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  if (!s) return JS_EXCEPTION;
  free(s->buffer);
  memset(s, 0, sizeof *s);
  return JS_UNDEFINED;
}

// streamRead(handle, into): fills the bytes; the count, which is smaller only at the end of the stream.
TREE_CALL(streamRead) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  size_t length, done = 0;
  uint8_t *into = s ? bytes_of(ctx, argv[1], &length) : NULL;
  if (!into) return JS_EXCEPTION;
  while (done < length) {
    ssize_t n = fill(s);
    if (n < 0) return JS_NewInt32(ctx, (int)n);
    if (n == 0) break;
    size_t take = length - done < (size_t)n ? length - done : (size_t)n;
    memcpy(into + done, s->buffer + s->at, take);
    s->at += take;
    done += take;
  }
  return JS_NewInt64(ctx, (int64_t)done);
}

// streamCopy(handle, fd, count): passes on so many bytes, to nowhere where fd is -1; the count, smaller at the end.
TREE_CALL(streamCopy) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  int32_t fd;
  int64_t count, done = 0;
  if (!s || JS_ToInt32(ctx, &fd, argv[1]) || JS_ToInt64(ctx, &count, argv[2])) return JS_EXCEPTION;
  while (done < count) {
    ssize_t n = fill(s);
    if (n < 0) return JS_NewInt32(ctx, (int)n);
    if (n == 0) break;
    if (n > count - done) n = (ssize_t)(count - done);
    int failed = fd < 0 ? 0 : write_whole(fd, s->buffer + s->at, (size_t)n);
    if (failed) return JS_NewInt32(ctx, failed);
    s->at += (size_t)n;
    done += n;
  }
  return JS_NewInt64(ctx, done);
}

// streamWrite(handle, bytes)
TREE_CALL(streamWrite) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  size_t length;
  uint8_t *bytes = s ? bytes_of(ctx, argv[1], &length) : NULL;
  if (!bytes) return JS_EXCEPTION;
  berth_sha256_add(&s->sum, bytes, length);
  return JS_NewInt32(ctx, write_whole(s->fd, bytes, length));
}

// streamSend(handle, fd, count): so many bytes of the file into the stream; the count, smaller where the file ends.
TREE_CALL(streamSend) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  int32_t fd;
  int64_t count, done = 0;
  if (!s || JS_ToInt32(ctx, &fd, argv[1]) || JS_ToInt64(ctx, &count, argv[2])) return JS_EXCEPTION;
  while (done < count) {
    size_t want = count - done < BUFFER ? (size_t)(count - done) : BUFFER;
    ssize_t n = read(fd, s->buffer, want);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return JS_NewInt32(ctx, -errno);
    if (n == 0) break;
    berth_sha256_add(&s->sum, s->buffer, (size_t)n);
    int failed = write_whole(s->fd, s->buffer, (size_t)n);
    if (failed) return JS_NewInt32(ctx, failed);
    done += n;
  }
  return JS_NewInt64(ctx, done);
}

// streamSum(handle): the SHA-256 of what has passed, as hex.
TREE_CALL(streamSum) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  if (!s) return JS_EXCEPTION;
  char hex[65];
  berth_sha256_hex(&s->sum, hex);
  return JS_NewString(ctx, hex);
}

// streamTotal(handle): bytes that have passed.
TREE_CALL(streamTotal) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  return s ? JS_NewInt64(ctx, (int64_t)s->sum.total) : JS_EXCEPTION;
}

// streamPeek(handle): the first bytes that lie in the buffer, at most 512, without taking them.
TREE_CALL(streamPeek) {
  UNUSED;
  struct stream *s = stream_of(ctx, argv[0]);
  if (!s) return JS_EXCEPTION;
  ssize_t n = fill(s);
  if (n < 0) return JS_NewInt32(ctx, (int)n);
  return copied_bytes(ctx, s->buffer + s->at, n < 512 ? (size_t)n : 512);
}

// byteSum(bytes): all of them added up, as a tar header's checksum has it.
TREE_CALL(byteSum) {
  UNUSED;
  size_t length;
  uint8_t *bytes = bytes_of(ctx, argv[0], &length);
  if (!bytes) return JS_EXCEPTION;
  uint64_t sum = 0;
  for (size_t i = 0; i < length; i++) sum += bytes[i];
  return JS_NewInt64(ctx, (int64_t)sum);
}
