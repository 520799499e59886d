// Bytes moved from one descriptor to another, as many as are there, in one call. pump.ts decides what to wait for.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "host.h"
#include "pump.h"

bool result_argument(JSContext *ctx, JSValueConst value, int32_t **result) {
  uint8_t *bytes;
  size_t length;
  if (!bytes_argument(ctx, value, &bytes, &length)) return false;
  if (length < 4 * sizeof(int32_t)) {
    JS_ThrowRangeError(ctx, __FILE__, __LINE__, "the result must hold 4 numbers");
    return false;
  }
  *result = (int32_t *)(void *)bytes;
  return true;
}

int bytes_waiting(int fd) {
  int count = 0;
  return ioctl(fd, FIONREAD, &count) == 0 ? count : 0;
}

// splice(2) says EAGAIN, and EPIPE or EIO, without saying which side it means.
static enum state splice_error(int from, int error) {
  switch (error) {
    case EAGAIN: return bytes_waiting(from) > 0 ? FULL : EMPTY;
    case EINVAL: case ENOSYS: case ESPIPE: return NO_SPLICE;
    case EIO: return bytes_waiting(from) > 0 ? TARGET_ERROR : SOURCE_ERROR;
    default: return TARGET_ERROR;
  }
}

// What one step has done so far.
struct step {
  int from, to, moved, error;
  // Bytes in the source that are worth splicing; 0: it cannot be done.
  int splice_from;
  // In the buffer: read, and of that written.
  size_t length, written;
};

// As much as there is, without copying.
static enum state splice_some(struct step *step, size_t count) {
  ssize_t moved = splice(step->from, NULL, step->to, NULL, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (moved > 0) step->moved += (int)moved;
  if (moved > 0 || (moved < 0 && errno == EINTR)) return MORE;
  return moved == 0 ? END : splice_error(step->from, step->error = errno);
}

// Fills the buffer: a terminal hands out 4 KiB at most, and one write for many reads spares the reader wake-ups.
static enum state fill(struct step *step) {
  step->length = step->written = 0;
  while (step->length < sizeof scratch) {
    ssize_t count = read(step->from, scratch + step->length, sizeof scratch - step->length);
    if (count == 0) return END;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return (step->error = errno) == EAGAIN ? EMPTY : SOURCE_ERROR;
    step->length += (size_t)count;
    // A pipe gives all it has: whether there is more now, the loop will tell.
    if (step->splice_from > 0 && step->length < sizeof scratch) return EMPTY;
  }
  return MORE;
}

// Writes out the buffer. A target's trouble is told first; the source's will be found again.
static enum state empty(struct step *step, enum state state) {
  while (step->written < step->length) {
    ssize_t count = write(step->to, scratch + step->written, step->length - step->written);
    if (count >= 0) {
      step->written += (size_t)count;
      step->moved += (int)count;
    } else if (errno != EINTR) return (step->error = errno) == EAGAIN ? FULL : TARGET_ERROR;
  }
  return state;
}

static bool is_worth_splicing(const struct step *step) {
  return step->splice_from > 0 && bytes_waiting(step->from) >= step->splice_from;
}

CALL(call_pumpMove) {
  UNUSED;
  int cap;
  int32_t *result;
  struct step step = {0};
  if (!int_argument(ctx, argv[0], &step.from) || !int_argument(ctx, argv[1], &step.to) ||
      !int_argument(ctx, argv[2], &cap) || !int_argument(ctx, argv[3], &step.splice_from) || !result_argument(ctx, argv[4], &result))
    return JS_EXCEPTION;
  enum state state = MORE;
  while (state == MORE && step.moved < cap) {
    state = is_worth_splicing(&step) ? splice_some(&step, (size_t)(cap - step.moved)) : empty(&step, fill(&step));
    if (state != NO_SPLICE) continue;
    step.splice_from = 0;
    state = MORE;
  }
  result[0] = step.moved;
  result[1] = (int32_t)state;
  result[2] = state == SOURCE_ERROR || state == TARGET_ERROR ? step.error : 0;
  result[3] = step.splice_from > 0;
  return step.written == step.length ? JS_NULL : copied_bytes(ctx, scratch + step.written, step.length - step.written);
}

CALL(call_setPipeSize) {
  UNUSED;
  int fd, bytes;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &bytes)) return JS_EXCEPTION;
  return outcome(ctx, fcntl(fd, F_SETPIPE_SZ, bytes));
}

CALL(call_pumpDiscard) {
  UNUSED;
  int from, max;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &max)) return JS_EXCEPTION;
  int64_t total = 0;
  while (total < max) {
    ssize_t count = read(from, scratch, sizeof scratch);
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
  ROW(pumpMove, 5), ROW(setPipeSize, 2), ROW(pumpDiscard, 2), ROW(waiting, 1),
};
TABLE(pump);
