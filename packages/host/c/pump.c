// Bytes moved from one descriptor to another, as many as are there, in one call. pump.ts decides what to wait for.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "host.h"

#define BUFFER (64 << 10)

// pump.ts has the same list.
enum state { MORE, EMPTY, FULL, END, SOURCE_ERROR, TARGET_ERROR, NO_SPLICE };

static uint8_t buffer[BUFFER];

static bool result_argument(JSContext *ctx, JSValueConst value, int32_t **result) {
  uint8_t *bytes;
  size_t length;
  if (!bytes_argument(ctx, value, &bytes, &length)) return false;
  if (length < 3 * sizeof(int32_t)) {
    JS_ThrowRangeError(ctx, __FILE__, __LINE__, "the result must hold 3 numbers");
    return false;
  }
  *result = (int32_t *)(void *)bytes;
  return true;
}

static bool has_data(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 && count > 0;
}

// splice(2) says EAGAIN, and EPIPE or EIO, without saying which side it means.
static enum state splice_error(int from, int error) {
  switch (error) {
    case EAGAIN: return has_data(from) ? FULL : EMPTY;
    case EINVAL: case ENOSYS: case ESPIPE: return NO_SPLICE;
    case EIO: return has_data(from) ? TARGET_ERROR : SOURCE_ERROR;
    default: return TARGET_ERROR;
  }
}

CALL(call_pumpSplice) {
  UNUSED;
  int from, to, cap;
  int32_t *result;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &to) || !int_argument(ctx, argv[2], &cap) ||
      !result_argument(ctx, argv[3], &result))
    return JS_EXCEPTION;
  int moved = 0, error = 0;
  enum state state = MORE;
  while (state == MORE && moved < cap) {
    ssize_t count = splice(from, NULL, to, NULL, (size_t)(cap - moved), SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (count > 0) moved += (int)count;
    else if (count == 0) state = END;
    else if (errno != EINTR) state = splice_error(from, error = errno);
  }
  result[0] = moved;
  result[1] = (int32_t)state;
  result[2] = error;
  return JS_UNDEFINED;
}

CALL(call_pumpCopy) {
  UNUSED;
  int from, to, cap;
  int32_t *result;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &to) || !int_argument(ctx, argv[2], &cap) ||
      !result_argument(ctx, argv[3], &result))
    return JS_EXCEPTION;
  int moved = 0, error = 0;
  enum state state = MORE;
  ssize_t length = 0, written = 0;
  while (state == MORE && moved < cap) {
    length = read(from, buffer, sizeof buffer);
    if (length < 0 && errno == EINTR) continue;
    if (length == 0) state = END;
    else if (length < 0) state = (error = errno) == EAGAIN ? EMPTY : SOURCE_ERROR;
    for (written = 0; state == MORE && written < length;) {
      ssize_t count = write(to, buffer + written, (size_t)(length - written));
      if (count >= 0) {
        written += count;
        moved += (int)count;
      } else if (errno != EINTR) state = (error = errno) == EAGAIN ? FULL : TARGET_ERROR;
    }
  }
  result[0] = moved;
  result[1] = (int32_t)state;
  result[2] = error;
  if (length <= 0 || written == length) return JS_NULL;
  return copied_bytes(ctx, buffer + written, (size_t)(length - written));
}

CALL(call_pumpDiscard) {
  UNUSED;
  int from, max;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &max)) return JS_EXCEPTION;
  int64_t total = 0;
  while (total < max) {
    ssize_t count = read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return total > 0 ? JS_NewInt64(ctx, total) : outcome(ctx, count);
    total += count;
  }
  return JS_NewInt64(ctx, total);
}

CALL(call_waiting) {
  UNUSED;
  int fd, count = 0;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return ioctl(fd, FIONREAD, &count) < 0 ? failure(ctx, errno) : JS_NewInt32(ctx, count);
}

static const JSCFunctionListEntry pump_rows[] = {
  ROW(pumpSplice, 4), ROW(pumpCopy, 4), ROW(pumpDiscard, 2), ROW(waiting, 1),
};
TABLE(pump);
