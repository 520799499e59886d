// Files by path and by descriptor.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host.h"

#define FIRST_READ_ALL 4096

CALL(call_open) {
  UNUSED;
  int flags, mode;
  if (!int_argument(ctx, argv[1], &flags) || !int_argument(ctx, argv[2], &mode)) return JS_EXCEPTION;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  int fd;
  do fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
  while (fd < 0 && errno == EINTR);
  JSValue result = outcome(ctx, fd);
  JS_FreeCString(ctx, path);
  return result;
}

CALL(call_close) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return outcome(ctx, close(fd));
}

CALL(call_read) {
  UNUSED;
  int fd, max;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &max)) return JS_EXCEPTION;
  size_t size = max < 0 ? 0 : (size_t)max < sizeof scratch ? (size_t)max : sizeof scratch;
  ssize_t count;
  do count = read(fd, scratch, size);
  while (count < 0 && errno == EINTR);
  return count < 0 ? failure(ctx, errno) : copied_bytes(ctx, scratch, (size_t)count);
}

CALL(call_rewind) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return outcome(ctx, lseek(fd, 0, SEEK_SET));
}

CALL(call_readAll) {
  UNUSED;
  int fd;
  int64_t limit;
  struct stat info;
  if (!int_argument(ctx, argv[0], &fd) || !int64_argument(ctx, argv[1], &limit)) return JS_EXCEPTION;
  if (fstat(fd, &info) < 0) return failure(ctx, errno);
  // One byte more than expected, so that the end is seen; files in /proc say 0 and hold more.
  size_t room = info.st_size > 0 && info.st_size <= limit ? (size_t)info.st_size + 1 : FIRST_READ_ALL, length = 0;
  uint8_t *bytes = js_malloc(ctx, room);
  while (bytes != NULL) {
    ssize_t count = read(fd, bytes + length, room - length);
    if (count < 0 && errno == EINTR) continue;
    int error = count < 0 ? errno : (int64_t)length + count > limit ? EFBIG : 0;
    if (error != 0) {
      js_free(ctx, bytes);
      return failure(ctx, error);
    }
    if (count == 0) break;
    length += (size_t)count;
    if (length < room) continue;
    uint8_t *more = js_realloc(ctx, bytes, room * 2);
    if (more == NULL) js_free(ctx, bytes);
    bytes = more;
    room *= 2;
  }
  if (bytes == NULL) return JS_EXCEPTION;
  if (length == 0) {
    js_free(ctx, bytes);
    return copied_bytes(ctx, "", 0);
  }
  uint8_t *exact = js_realloc(ctx, bytes, length);
  return owned_bytes(ctx, exact != NULL ? exact : bytes, length);
}

CALL(call_write) {
  UNUSED;
  int fd;
  uint8_t *bytes;
  size_t length;
  if (!int_argument(ctx, argv[0], &fd) || !bytes_argument(ctx, argv[1], &bytes, &length)) return JS_EXCEPTION;
  ssize_t count;
  do count = write(fd, bytes, length);
  while (count < 0 && errno == EINTR);
  return outcome(ctx, count);
}

static int write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, bytes, length);
    if (count >= 0) {
      bytes += count;
      length -= (size_t)count;
    } else if (errno == EAGAIN) {
      struct pollfd ready = {.fd = fd, .events = POLLOUT};
      if (poll(&ready, 1, -1) < 0 && errno != EINTR) return -1;
    } else if (errno != EINTR) return -1;
  }
  return 0;
}

CALL(call_writeAll) {
  UNUSED;
  int fd;
  size_t length;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  if (JS_IsString(argv[1])) {
    const char *text = JS_ToCStringLen(ctx, &length, argv[1]);
    if (text == NULL) return JS_EXCEPTION;
    JSValue result = outcome(ctx, write_all(fd, (const uint8_t *)text, length));
    JS_FreeCString(ctx, text);
    return result;
  }
  uint8_t *bytes;
  if (!bytes_argument(ctx, argv[1], &bytes, &length)) return JS_EXCEPTION;
  return outcome(ctx, write_all(fd, bytes, length));
}

// Descriptors 0 to 2 are open files that others hold too: a shell would find its terminal non-blocking after us.
static int standard_flags[3] = {-1, -1, -1};

CALL(call_setNonblocking) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return failure(ctx, errno);
  if (flags & O_NONBLOCK) return JS_NewInt32(ctx, 0);
  if (fd >= 0 && fd < 3 && standard_flags[fd] < 0) standard_flags[fd] = flags;
  return outcome(ctx, fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

void restore_standard_flags(void) {
  for (int fd = 0; fd < 3; fd++) {
    if (standard_flags[fd] >= 0) fcntl(fd, F_SETFL, standard_flags[fd]);
  }
}

CALL(call_stat) {
  UNUSED;
  struct stat info;
  int follow = JS_ToBool(ctx, argv[1]);
  const char *path = follow < 0 ? NULL : path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  int failed = fstatat(AT_FDCWD, path, &info, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
  JS_FreeCString(ctx, path);
  if (failed != 0) return failure(ctx, failed);
  int64_t values[9] = {
    info.st_mode, info.st_size, info.st_uid, info.st_gid, (int64_t)info.st_ino, (int64_t)info.st_dev,
    (int64_t)info.st_rdev, (int64_t)info.st_nlink, info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000,
  };
  return int_array(ctx, values, 9);
}

CALL(call_readdir) {
  UNUSED;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  DIR *folder = opendir(path);
  int error = errno;
  JS_FreeCString(ctx, path);
  if (folder == NULL) return failure(ctx, error);
  JSValue names = JS_NewArray(ctx);
  uint32_t count = 0;
  for (struct dirent *entry; !JS_IsException(names) && (entry = readdir(folder)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (JS_SetPropertyUint32(ctx, names, count++, JS_NewString(ctx, entry->d_name)) < 0) {
      JS_FreeValue(ctx, names);
      names = JS_EXCEPTION;
    }
  }
  closedir(folder);
  return names;
}

CALL(call_readlink) {
  UNUSED;
  char target[4096]; // PATH_MAX: the kernel makes no longer ones
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  ssize_t length = readlink(path, target, sizeof target);
  int error = errno;
  JS_FreeCString(ctx, path);
  return length < 0 ? failure(ctx, error) : JS_NewStringLen(ctx, target, (size_t)length);
}

enum { UNLINK, RMDIR, MKDIR, CHMOD, MKFIFO, UMOUNT };

// The calls that take a path and at most one number.
static JSValue path_call(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv, int which) {
  UNUSED;
  int number = 0;
  if (which >= MKDIR && !int_argument(ctx, argv[1], &number)) return JS_EXCEPTION;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  int done = -1;
  switch (which) {
    case UNLINK: done = unlink(path); break;
    case RMDIR: done = rmdir(path); break;
    case MKDIR: done = mkdir(path, (mode_t)number); break;
    case CHMOD: done = chmod(path, (mode_t)number); break;
    case UMOUNT: done = umount2(path, number); break;
    case MKFIFO: {
      mode_t mask = umask(0); // one thread: nobody else makes files meanwhile
      done = mkfifo(path, (mode_t)number);
      umask(mask);
      break;
    }
  }
  JSValue result = outcome(ctx, done);
  JS_FreeCString(ctx, path);
  return result;
}

CALL(call_rename) {
  UNUSED;
  const char *from = path_argument(ctx, argv[0]), *to = from == NULL ? NULL : path_argument(ctx, argv[1]);
  JSValue result = to == NULL ? JS_EXCEPTION : outcome(ctx, rename(from, to));
  JS_FreeCString(ctx, from);
  JS_FreeCString(ctx, to);
  return result;
}

CALL(call_symlink) {
  UNUSED;
  const char *target = path_argument(ctx, argv[0]), *path = target == NULL ? NULL : path_argument(ctx, argv[1]);
  JSValue result = path == NULL ? JS_EXCEPTION : outcome(ctx, symlink(target, path));
  JS_FreeCString(ctx, target);
  JS_FreeCString(ctx, path);
  return result;
}

CALL(call_fchown) {
  UNUSED;
  int fd;
  int64_t uid, gid;
  if (!int_argument(ctx, argv[0], &fd) || !int64_argument(ctx, argv[1], &uid) || !int64_argument(ctx, argv[2], &gid))
    return JS_EXCEPTION;
  return outcome(ctx, fchown(fd, (uid_t)uid, (gid_t)gid));
}

CALL(call_fchmod) {
  UNUSED;
  int fd, mode;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &mode)) return JS_EXCEPTION;
  return outcome(ctx, fchmod(fd, (mode_t)mode));
}

CALL(call_fsync) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return outcome(ctx, fsync(fd));
}

CALL(call_mount) {
  UNUSED;
  const char *text[4] = {NULL};
  static const int positions[4] = {0, 1, 2, 4};
  int64_t flags;
  bool valid = int64_argument(ctx, argv[3], &flags);
  for (int i = 0; valid && i < 4; i++) valid = (text[i] = path_argument(ctx, argv[positions[i]])) != NULL;
  JSValue result = JS_EXCEPTION;
  if (valid) result = outcome(ctx, mount(text[0], text[1], text[2], (unsigned long)flags, text[3]));
  for (int i = 0; i < 4; i++) JS_FreeCString(ctx, text[i]);
  return result;
}

CALL(call_pipe) {
  UNUSED;
  int nonblock = JS_ToBool(ctx, argv[0]), ends[2];
  if (nonblock < 0) return JS_EXCEPTION;
  if (pipe2(ends, O_CLOEXEC | (nonblock ? O_NONBLOCK : 0)) < 0) return failure(ctx, errno);
  return int_array(ctx, (int64_t[]){ends[0], ends[1]}, 2);
}

#define CONSTANT(name) JS_PROP_INT32_DEF(#name, name, JS_PROP_ENUMERABLE)

static const JSCFunctionListEntry files_rows[] = {
  ROW(open, 3), ROW(close, 1), ROW(read, 2), ROW(readAll, 2), ROW(rewind, 1), ROW(write, 2), ROW(writeAll, 2), ROW(setNonblocking, 1),
  ROW(stat, 2), ROW(readdir, 1), ROW(readlink, 1), ROW(rename, 2), ROW(symlink, 2), ROW(fchown, 3),
  ROW(fchmod, 2), ROW(fsync, 1), ROW(mount, 5), ROW(pipe, 1),
  JS_CFUNC_MAGIC_DEF("unlink", 1, path_call, UNLINK), JS_CFUNC_MAGIC_DEF("rmdir", 1, path_call, RMDIR),
  JS_CFUNC_MAGIC_DEF("mkdir", 2, path_call, MKDIR), JS_CFUNC_MAGIC_DEF("chmod", 2, path_call, CHMOD),
  JS_CFUNC_MAGIC_DEF("mkfifo", 2, path_call, MKFIFO), JS_CFUNC_MAGIC_DEF("umount", 2, path_call, UMOUNT),
  CONSTANT(O_CREAT), CONSTANT(O_EXCL), CONSTANT(O_TRUNC), CONSTANT(O_APPEND), CONSTANT(O_NONBLOCK),
  CONSTANT(O_DIRECTORY), CONSTANT(O_NOFOLLOW), CONSTANT(O_CLOEXEC), CONSTANT(O_PATH),
};
TABLE(files);
