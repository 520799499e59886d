// Mounts that are put together step by step (fsopen(2), Linux 5.2), and the directory that their paths begin at.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "host.h"

// chdir(path)
CALL(call_chdir) {
  UNUSED;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  JSValue result = outcome(ctx, chdir(path));
  JS_FreeCString(ctx, path);
  return result;
}

// fsopen(type): a configuration.
CALL(call_fsopen) {
  UNUSED;
  const char *type = path_argument(ctx, argv[0]);
  if (type == NULL) return JS_EXCEPTION;
  JSValue result = outcome(ctx, syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
  JS_FreeCString(ctx, type);
  return result;
}

// fsconfig(configuration, command, key or null, value or null)
CALL(call_fsconfig) {
  UNUSED;
  int fd, command;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &command)) return JS_EXCEPTION;
  const char *text[2] = {NULL};
  bool valid = true;
  for (int i = 0; valid && i < 2; i++)
    if (!JS_IsNull(argv[2 + i])) valid = (text[i] = path_argument(ctx, argv[2 + i])) != NULL;
  JSValue result = JS_EXCEPTION;
  if (valid) result = outcome(ctx, syscall(SYS_fsconfig, fd, command, text[0], text[1], 0));
  for (int i = 0; i < 2; i++) JS_FreeCString(ctx, text[i]);
  return result;
}

// fsmount(configuration, attributes): a mount that is nowhere yet.
CALL(call_fsmount) {
  UNUSED;
  int fd, attributes;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &attributes)) return JS_EXCEPTION;
  return outcome(ctx, syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes));
}

// moveMount(mount, target)
CALL(call_moveMount) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  const char *target = path_argument(ctx, argv[1]);
  if (target == NULL) return JS_EXCEPTION;
  JSValue result = outcome(ctx, syscall(SYS_move_mount, fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
  JS_FreeCString(ctx, target);
  return result;
}

static const JSCFunctionListEntry mount_api_rows[] = {
  ROW(chdir, 1), ROW(fsopen, 1), ROW(fsconfig, 4), ROW(fsmount, 2), ROW(moveMount, 2),
};
TABLE(mount_api);
