// Calls on a directory tree that is not trusted. Paths are resolved inside a root directory only
// (openat2(2), RESOLVE_IN_ROOT); everything else takes a directory's descriptor and one name, and follows no link.
#include "tree.h"
#include "leak_check.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// A name as bytes. Lone surrogates U+DC80..U+DCFF stand for bytes that are not UTF-8 (packages/base, tar-name.ts);
// JS_ToCString writes them as ED B2 80 .. ED B3 BF. Free with free(). Zero bytes are refused.
static char *name_of(JSContext *ctx, JSValueConst value) {
  size_t length, to = 0;
  const char *text = JS_ToCStringLen(ctx, &length, value);
  if (!text) return NULL;
  char *name = malloc(length + 1);
  if (!name || memchr(text, 0, length)) {
    JS_FreeCString(ctx, text);
    free(name);
    JS_ThrowTypeError(ctx, __FILE__, __LINE__, "a file name cannot have a zero byte");
    return NULL;
  }
  const uint8_t *p = (const uint8_t *)text;
  for (size_t at = 0; at < length; at++) {
    if (p[at] == 0xed && at + 2 < length && (p[at + 1] == 0xb2 || p[at + 1] == 0xb3)) {
      name[to++] = (char)((p[at + 1] & 0x3f) << 6 | (p[at + 2] & 0x3f));
      at += 2;
    } else {
      name[to++] = (char)p[at];
    }
  }
  name[to] = 0;
  JS_FreeCString(ctx, text);
  return name;
}

/** For calls of a directory and a name. */
struct place {
  int directory;
  char *name;
};

static int place_of(JSContext *ctx, JSValueConst *argv, struct place *place) {
  if (JS_ToInt32(ctx, &place->directory, argv[0])) return -1;
  place->name = name_of(ctx, argv[1]);
  if (!place->name) return -1;
  if (place->name[0] == 0 || strchr(place->name, '/') || !strcmp(place->name, ".") || !strcmp(place->name, "..")) {
    JS_ThrowTypeError(ctx, __FILE__, __LINE__, "\"%s\" is not the name of a directory's entry", place->name);
    free(place->name);
    return -1;
  }
  return 0;
}

// treeResolve(root, path): the directory at the path, links followed inside the root.
CALL(call_treeResolve) {
  UNUSED;
  int32_t root;
  if (JS_ToInt32(ctx, &root, argv[0])) return JS_EXCEPTION;
  char *path = name_of(ctx, argv[1]);
  if (!path) return JS_EXCEPTION;
  struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                         .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof how);
  JSValue result = outcome(ctx, fd);
  free(path);
  return result;
}

// treeCreate(directory, name): a new file for writing; -EEXIST where there is anything.
CALL(call_treeCreate) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  JSValue result =
      outcome(ctx, openat(at.directory, at.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  free(at.name);
  return result;
}

// treeOpen(directory, name, isDirectory): for reading, without waiting for a FIFO's writer.
CALL(call_treeOpen) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (JS_ToBool(ctx, argv[2]) ? O_DIRECTORY : 0);
  JSValue result = outcome(ctx, openat(at.directory, at.name, flags));
  free(at.name);
  return result;
}

// treeMkdir(directory, name, mode)
CALL(call_treeMkdir) {
  UNUSED;
  struct place at;
  int32_t mode;
  if (JS_ToInt32(ctx, &mode, argv[2]) || place_of(ctx, argv, &at)) return JS_EXCEPTION;
  JSValue result = outcome(ctx, mkdirat(at.directory, at.name, (mode_t)mode));
  free(at.name);
  return result;
}

// treeSymlink(directory, name, target)
CALL(call_treeSymlink) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char *target = name_of(ctx, argv[2]);
  JSValue result = target ? outcome(ctx, symlinkat(target, at.directory, at.name)) : JS_EXCEPTION;
  free(target);
  free(at.name);
  return result;
}

// treeLink(directory, name, existingDirectory, existingName)
CALL(call_treeLink) {
  UNUSED;
  struct place at, existing;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  JSValue result = JS_EXCEPTION;
  if (!place_of(ctx, argv + 2, &existing)) {
    result = outcome(ctx, linkat(existing.directory, existing.name, at.directory, at.name, 0));
    free(existing.name);
  }
  free(at.name);
  return result;
}

// treeMknod(directory, name, mode with type, major, minor)
CALL(call_treeMknod) {
  UNUSED;
  struct place at;
  uint32_t mode, major, minor;
  if (JS_ToUint32(ctx, &mode, argv[2]) || JS_ToUint32(ctx, &major, argv[3]) || JS_ToUint32(ctx, &minor, argv[4]) ||
      place_of(ctx, argv, &at))
    return JS_EXCEPTION;
  JSValue result = outcome(ctx, mknodat(at.directory, at.name, (mode_t)mode, makedev(major, minor)));
  free(at.name);
  return result;
}

// treeSetAttributes(directory, name, uid, gid, mode or -1): the owner, then the mode, which chown(2) cuts.
// The name must not be a symlink where a mode is given: there is no call that sets a mode without following.
CALL(call_treeSetAttributes) {
  UNUSED;
  struct place at;
  uint32_t uid, gid;
  int32_t mode;
  if (JS_ToUint32(ctx, &uid, argv[2]) || JS_ToUint32(ctx, &gid, argv[3]) || JS_ToInt32(ctx, &mode, argv[4]) ||
      place_of(ctx, argv, &at))
    return JS_EXCEPTION;
  int failed = fchownat(at.directory, at.name, uid, gid, AT_SYMLINK_NOFOLLOW);
  if (!failed && mode >= 0) failed = fchmodat(at.directory, at.name, (mode_t)mode, 0);
  JSValue result = outcome(ctx, failed);
  free(at.name);
  return result;
}

// treeSetTimes(directory, name, seconds, nanoseconds): access and modification.
CALL(call_treeSetTimes) {
  UNUSED;
  struct place at;
  int64_t seconds;
  int32_t nanoseconds;
  if (JS_ToInt64(ctx, &seconds, argv[2]) || JS_ToInt32(ctx, &nanoseconds, argv[3]) || place_of(ctx, argv, &at))
    return JS_EXCEPTION;
  struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = nanoseconds}, times[2] = {time, time};
  JSValue result = outcome(ctx, utimensat(at.directory, at.name, times, AT_SYMLINK_NOFOLLOW));
  free(at.name);
  return result;
}

// Extended attributes have no call that takes a directory's descriptor before Linux 6.13: go there, use the name.
static int enter(int directory) { return fchdir(directory); }

// treeSetXattr(directory, name, key, value)
CALL(call_treeSetXattr) {
  UNUSED;
  struct place at;
  size_t length;
  uint8_t *value = bytes_of(ctx, argv[3], &length);
  if (!value || place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char *key = name_of(ctx, argv[2]);
  JSValue result =
      key ? outcome(ctx, enter(at.directory) || lsetxattr(at.name, key, value, length, 0) ? -1 : 0) : JS_EXCEPTION;
  free(key);
  free(at.name);
  return result;
}

// treeRemoveXattr(directory, name, key)
CALL(call_treeRemoveXattr) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char *key = name_of(ctx, argv[2]);
  JSValue result =
      key ? outcome(ctx, enter(at.directory) || lremovexattr(at.name, key) ? -1 : 0) : JS_EXCEPTION;
  free(key);
  free(at.name);
  return result;
}

// treePath(directory): its path below the process's root, without links, as bytes.
CALL(call_treePath) {
  UNUSED;
  int32_t directory;
  if (JS_ToInt32(ctx, &directory, argv[0])) return JS_EXCEPTION;
  // The system call: the C library's function refuses what is longer than its buffer in another way.
  char path[PATH_MAX];
  long n = enter(directory) ? -1 : syscall(SYS_getcwd, path, sizeof path);
  return n < 0 ? JS_NewInt32(ctx, errno == ERANGE ? -ENAMETOOLONG : -errno)
               : copied_bytes(ctx, (uint8_t *)path, (size_t)n - 1);
}

// treeXattrs(directory, name): the names, each ended by a zero byte.
CALL(call_treeXattrs) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char *list = malloc(XATTR_LIST_MAX);
  ssize_t n = !list || enter(at.directory) ? -1 : llistxattr(at.name, list, XATTR_LIST_MAX);
  JSValue result = n < 0 ? JS_NewInt32(ctx, -errno) : copied_bytes(ctx, (uint8_t *)list, (size_t)n);
  free(list);
  free(at.name);
  return result;
}

// treeXattr(directory, name, key): the value.
CALL(call_treeXattr) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char *key = name_of(ctx, argv[2]), *value = malloc(XATTR_SIZE_MAX);
  ssize_t n = !key || !value || enter(at.directory) ? -1 : lgetxattr(at.name, key, value, XATTR_SIZE_MAX);
  JSValue result = !key    ? JS_EXCEPTION
                   : n < 0 ? JS_NewInt32(ctx, -errno)
                           : copied_bytes(ctx, (uint8_t *)value, (size_t)n);
  free(value);
  free(key);
  free(at.name);
  return result;
}

// treeStat(directory, name): [mode, size, uid, gid, ino, dev, major, minor, nlink, mtime seconds, nanoseconds]
CALL(call_treeStat) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  struct stat s;
  int failed = fstatat(at.directory, at.name, &s, AT_SYMLINK_NOFOLLOW);
  free(at.name);
  if (failed) return JS_NewInt32(ctx, -errno);
  double values[] = {s.st_mode,         (double)s.st_size,     s.st_uid,
                     s.st_gid,          (double)s.st_ino,      (double)s.st_dev,
                     major(s.st_rdev),  minor(s.st_rdev),      (double)s.st_nlink,
                     (double)s.st_mtim.tv_sec, (double)s.st_mtim.tv_nsec};
  JSValue array = JS_NewArray(ctx);
  for (uint32_t i = 0; i < sizeof values / sizeof *values; i++)
    JS_SetPropertyUint32(ctx, array, i, JS_NewFloat64(ctx, values[i]));
  return array;
}

// treeReadlink(directory, name): the target, as bytes.
CALL(call_treeReadlink) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  char target[4096];
  ssize_t n = readlinkat(at.directory, at.name, target, sizeof target);
  free(at.name);
  return n < 0 ? JS_NewInt32(ctx, -errno) : copied_bytes(ctx, (uint8_t *)target, (size_t)n);
}

static int is_dots(const char *name) { return !strcmp(name, ".") || !strcmp(name, ".."); }

// treeNames(directory): the names of its entries, each ended by a zero byte, in no order.
CALL(call_treeNames) {
  UNUSED;
  int32_t directory;
  if (JS_ToInt32(ctx, &directory, argv[0])) return JS_EXCEPTION;
  // A descriptor of its own: the offset of the caller's (or an O_PATH one) is no use here.
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (!stream) {
    int error = errno;
    if (fd >= 0) close(fd);
    return JS_NewInt32(ctx, -error);
  }
  char *names = NULL;
  size_t length = 0, room = 0;
  int error = 0;
  struct dirent *entry;
  for (;;) {
    errno = 0;
    entry = readdir(stream);
    if (!entry) {
      error = errno;
      break;
    }
    if (is_dots(entry->d_name)) continue;
    size_t size = strlen(entry->d_name) + 1;
    if (length + size > room) {
      room = 2 * room + size + 4096;
      char *more = realloc(names, room);
      if (!more) {
        error = ENOMEM;
        break;
      }
      names = more;
    }
    memcpy(names + length, entry->d_name, size);
    length += size;
  }
  closedir(stream);
  JSValue result = error ? JS_NewInt32(ctx, -error) : copied_bytes(ctx, (uint8_t *)names, length);
  free(names);
  return result;
}

// Removes what is below the directory `top` (which it closes), with two descriptors at most however deep it
// goes: down by name, up by "..". Nobody else moves directories in a tree that is being unpacked.
static int empty_directory(int top) {
  int current = top, depth = 0, error = 0;
  char **path = NULL;
  while (!error) {
    int down = -1;
    char name[NAME_MAX + 1];
    DIR *stream = fdopendir(dup(current));
    if (!stream) {
      error = errno;
      break;
    }
    rewinddir(stream);
    struct dirent *entry;
    while (!error && down < 0 && (entry = readdir(stream))) {
      if (is_dots(entry->d_name) || !unlinkat(current, entry->d_name, 0)) continue;
      if (errno != EISDIR && errno != EPERM) {
        error = errno;
      } else if (unlinkat(current, entry->d_name, AT_REMOVEDIR)) {
        if (errno != ENOTEMPTY && errno != EEXIST) {
          error = errno;
          break;
        }
        strcpy(name, entry->d_name);
        down = openat(current, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (down < 0) error = errno;
      }
    }
    closedir(stream);
    if (error) break;
    if (down >= 0) {
      char **more = realloc(path, (size_t)(depth + 1) * sizeof *path);
      if (more) path = more;
      if (!more || !(path[depth] = strdup(name))) {
        close(down);
        error = ENOMEM;
        break;
      }
      depth++;
      close(current);
      current = down;
    } else if (depth == 0) {
      break;
    } else {
      int up = openat(current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (up < 0) {
        error = errno;
        break;
      }
      close(current);
      current = up;
      depth--;
      if (unlinkat(current, path[depth], AT_REMOVEDIR)) error = errno;
      free(path[depth]);
    }
  }
  while (depth > 0) free(path[--depth]);
  free(path);
  close(current);
  return -error;
}

// treeRemove(directory, name): with everything below it.
CALL(call_treeRemove) {
  UNUSED;
  struct place at;
  if (place_of(ctx, argv, &at)) return JS_EXCEPTION;
  int result = unlinkat(at.directory, at.name, 0) ? -errno : 0;
  if (result == -EISDIR || result == -EPERM) {
    result = unlinkat(at.directory, at.name, AT_REMOVEDIR) ? -errno : 0;
    if (result == -ENOTEMPTY || result == -EEXIST) {
      int fd = openat(at.directory, at.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      result = fd < 0 ? -errno : empty_directory(fd);
      if (!result && unlinkat(at.directory, at.name, AT_REMOVEDIR)) result = -errno;
    }
  }
  free(at.name);
  return JS_NewInt32(ctx, result);
}

// treeSameContent(fd, fd): 1 or 0.
CALL(call_treeSameContent) {
  UNUSED;
  int32_t fds[2];
  if (JS_ToInt32(ctx, &fds[0], argv[0]) || JS_ToInt32(ctx, &fds[1], argv[1])) return JS_EXCEPTION;
  enum { PART = 64 * 1024 };
  static char parts[2][PART];
  for (off_t at = 0;;) {
    ssize_t n[2];
    for (int i = 0; i < 2; i++) {
      n[i] = pread(fds[i], parts[i], PART, at);
      if (n[i] < 0) return JS_NewInt32(ctx, -errno);
    }
    if (n[0] != n[1] || memcmp(parts[0], parts[1], (size_t)n[0])) return JS_NewInt32(ctx, 0);
    if (n[0] == 0) return JS_NewInt32(ctx, 1);
    at += n[0];
  }
}

// treeSync(directory): all that was written to its filesystem is on the disk.
CALL(call_treeSync) {
  UNUSED;
  int32_t fd;
  if (JS_ToInt32(ctx, &fd, argv[0])) return JS_EXCEPTION;
  // The caller's may be O_PATH, which syncfs(2) refuses.
  int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (readable < 0) return failure(ctx, errno);
  JSValue result = outcome(ctx, syncfs(readable));
  close(readable);
  return result;
}

// treeConfine(directory): makes it the process's root and working directory (chroot(2)).
CALL(call_treeConfine) {
  UNUSED;
  int32_t fd;
  if (JS_ToInt32(ctx, &fd, argv[0])) return JS_EXCEPTION;
  umask(0);
  leak_check_before_chroot();
  return outcome(ctx, fchdir(fd) || chroot(".") ? -1 : 0);
}

static const JSCFunctionListEntry tree_rows[] = {
  ROW(treeResolve, 2), ROW(treeCreate, 2), ROW(treeOpen, 3), ROW(treeMkdir, 3), ROW(treeSymlink, 3),
  ROW(treeLink, 4), ROW(treeMknod, 5), ROW(treeSetAttributes, 5), ROW(treeSetTimes, 4), ROW(treeSetXattr, 4),
  ROW(treeXattrs, 2), ROW(treeXattr, 3), ROW(treeRemoveXattr, 3), ROW(treePath, 1), ROW(treeStat, 2), ROW(treeReadlink, 2), ROW(treeNames, 1),
  ROW(treeRemove, 2), ROW(treeSameContent, 2), ROW(treeSync, 1), ROW(treeConfine, 1),
  ROW(streamOpen, 1), ROW(streamClose, 1), ROW(streamRead, 2), ROW(streamCopy, 3), ROW(streamWrite, 2),
  ROW(streamSend, 3), ROW(streamSum, 1), ROW(streamTotal, 1), ROW(streamPeek, 1), ROW(byteSum, 1), ROW(filterStart, 5),
  ROW(filterEnd, 1), ROW(dieWithParent, 0),
};
TABLE(tree);
