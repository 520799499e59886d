// Removes a directory with everything in it. In C, because names need not be UTF-8 and each step must hold the
// directory by descriptor: a container may be swapping directories for links meanwhile.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "host.h"

// Below this depth a directory is first moved up to the top, so that depth costs neither descriptors nor stack.
#define MAX_DEPTH 32

struct removal {
  int top;
  unsigned moved;
};

static int open_folder(int parent, const char *name) {
  struct open_how how = {
    .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
  };
  return (int)syscall(SYS_openat2, parent, name, &how, sizeof how);
}

static int move_up(struct removal *removal, int parent, const char *name) {
  char unique[32];
  do snprintf(unique, sizeof unique, ".berth-remove.%u", removal->moved++);
  while (faccessat(removal->top, unique, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
  return renameat(parent, name, removal->top, unique);
}

static int empty_folder(struct removal *removal, int fd, int depth);

static int remove_entry(struct removal *removal, int parent, const char *name, int depth) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return -1; // EPERM: what POSIX says for a directory
  if (depth >= MAX_DEPTH) return move_up(removal, parent, name);
  int fd = open_folder(parent, name);
  if (fd < 0) {
    if (errno == EXDEV) errno = EBUSY; // a mount
    return errno == ENOENT ? 0 : -1;
  }
  int done = empty_folder(removal, fd, depth + 1);
  if (done < 0) return -1;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

// Takes the descriptor over. Looks again until nothing is found: entries may appear, and are moved up, meanwhile.
static int empty_folder(struct removal *removal, int fd, int depth) {
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  int error = 0;
  for (bool found = true; found && error == 0;) {
    found = false;
    rewinddir(folder);
    for (struct dirent *entry; error == 0 && (entry = readdir(folder)) != NULL;) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      found = true;
      if (remove_entry(removal, dirfd(folder), entry->d_name, depth) < 0) error = errno;
    }
  }
  closedir(folder);
  errno = error;
  return error == 0 ? 0 : -1;
}

static int remove_tree(const char *path) {
  if (unlink(path) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return -1;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  struct removal removal = {.top = fd, .moved = 0};
  return empty_folder(&removal, fd, 0) < 0 ? -1 : rmdir(path);
}

CALL(call_removeTree) {
  UNUSED;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  JSValue result = outcome(ctx, remove_tree(path));
  JS_FreeCString(ctx, path);
  return result;
}

static const JSCFunctionListEntry tree_removal_rows[] = {ROW(removeTree, 1)};
TABLE(tree_removal);
