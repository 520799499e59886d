// A container's log: output in records that say of which stream they are, and when they came. One call reads what is
// there and writes it as one record. The format is described in packages/shim/README.md, "The log of a container".
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "host.h"
#include "pump.h"

// A file begins with its own head, a record has one before its bytes and its length once more behind them.
#define FILE_HEAD 16
#define HEAD 12
#define TAIL 4
#define MOST (sizeof scratch - HEAD - TAIL)

static void put_number(uint8_t *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t number_at(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// Takes the beginning of a record back, unless somebody else has appended behind it.
static void take_back(int fd, size_t written) {
  struct stat info;
  off_t end = lseek(fd, 0, SEEK_CUR);
  if (written == 0 || fstat(fd, &info) < 0 || info.st_size != end || end < (off_t)written) return;
  // What cannot be taken back is skipped by readers: the next writer begins another file.
  if (ftruncate(fd, end - (off_t)written) < 0) return;
}

// Appends the bytes that are in `scratch` behind HEAD as a record: the whole of it, or nothing. 0, or an errno.
static int append_record(int fd, int stream, size_t length) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  put_number(scratch, length | (uint64_t)stream << 24, 4);
  put_number(scratch + 4, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, 8);
  put_number(scratch + HEAD + length, length, TAIL);
  size_t whole = HEAD + length + TAIL, written = 0;
  while (written < whole) {
    ssize_t count = write(fd, scratch + written, whole - written);
    if (count >= 0) written += (size_t)count;
    else if (errno != EINTR) {
      int error = errno;
      take_back(fd, written);
      return error;
    }
  }
  return 0;
}

// Reads at most `room` bytes to where a record has them. A terminal hands out 4 KiB at most, a pipe all it has.
static enum state take(int from, size_t room, bool terminal, size_t *length, int *error) {
  *length = 0;
  while (*length < room) {
    ssize_t count = read(from, scratch + HEAD + *length, room - *length);
    if (count == 0) return END;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return (*error = errno) == EAGAIN ? EMPTY : SOURCE_ERROR;
    *length += (size_t)count;
    if (!terminal && *length < room) return EMPTY;
  }
  return MORE;
}

// How many bytes the next record may have; 0: the file is full. What waits is not divided if a new file can hold it.
static size_t room_in(int to, int64_t limit, int from) {
  struct stat info;
  if (limit == 0 || fstat(to, &info) < 0) return MOST;
  int64_t room = limit - info.st_size - HEAD - TAIL;
  size_t waiting = (size_t)bytes_waiting(from), wanted = waiting < MOST ? waiting : MOST;
  if (room < 1 || (room < (int64_t)wanted && info.st_size > FILE_HEAD)) return 0;
  return room < (int64_t)MOST ? (size_t)room : MOST;
}

CALL(call_logMove) {
  UNUSED;
  int from, to, cap, stream;
  int64_t limit;
  int32_t *result;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &to) || !int_argument(ctx, argv[2], &cap) ||
      !int_argument(ctx, argv[3], &stream) || !int64_argument(ctx, argv[4], &limit) ||
      !result_argument(ctx, argv[6], &result))
    return JS_EXCEPTION;
  bool terminal = JS_ToBool(ctx, argv[5]);
  enum state state = MORE;
  size_t length = 0;
  int moved = 0, error = 0;
  while (state == MORE && moved < cap) {
    size_t room = room_in(to, limit, from);
    state = room == 0 ? WAIT : take(from, room, terminal, &length, &error);
    if (state == WAIT || length == 0) break;
    int refusal = append_record(to, stream, length);
    if (refusal != 0) {
      state = TARGET_ERROR;
      error = refusal;
      break;
    }
    moved += (int)length;
    length = 0;
  }
  result[0] = moved;
  result[1] = (int32_t)state;
  result[2] = state == SOURCE_ERROR || state == TARGET_ERROR ? error : 0;
  result[3] = 0;
  return state == TARGET_ERROR ? copied_bytes(ctx, scratch + HEAD, length) : JS_NULL;
}

CALL(call_logWrite) {
  UNUSED;
  int fd, stream;
  uint8_t *bytes;
  size_t length;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &stream) ||
      !bytes_argument(ctx, argv[2], &bytes, &length))
    return JS_EXCEPTION;
  if (length > MOST) length = MOST;
  memcpy(scratch + HEAD, bytes, length);
  int error = append_record(fd, stream, length);
  return error == 0 ? JS_NewInt64(ctx, (int64_t)length) : failure(ctx, error);
}

CALL(call_logIsWhole) {
  UNUSED;
  int fd;
  struct stat info;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  if (fstat(fd, &info) < 0) return failure(ctx, errno);
  if (info.st_size == FILE_HEAD) return JS_NewInt32(ctx, 1);
  uint8_t head[HEAD], tail[TAIL];
  off_t end = info.st_size - TAIL;
  if (end < FILE_HEAD + HEAD || pread(fd, tail, TAIL, end) != TAIL) return JS_NewInt32(ctx, 0);
  uint32_t length = number_at(tail);
  if (length > MOST || end < (off_t)(FILE_HEAD + HEAD + length)) return JS_NewInt32(ctx, 0);
  if (pread(fd, head, HEAD, end - (off_t)length - HEAD) != HEAD) return JS_NewInt32(ctx, 0);
  return JS_NewInt32(ctx, (number_at(head) & 0xffffff) == length);
}

CALL(call_replaceDescriptor) {
  UNUSED;
  int fd, by;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &by)) return JS_EXCEPTION;
  int result;
  do result = dup3(by, fd, O_CLOEXEC);
  while (result < 0 && errno == EINTR);
  return outcome(ctx, result);
}

static const JSCFunctionListEntry log_rows[] = {
  ROW(logMove, 7), ROW(logWrite, 3), ROW(logIsWhole, 1), ROW(replaceDescriptor, 2),
};
TABLE(log);
