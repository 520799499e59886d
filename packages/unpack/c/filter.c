// A filter is a program between two descriptors (gzip, zstd) that handles untrusted bytes: it gets no privileges and
// no files but its own. It ends with us because nobody reads its pipe then; PR_SET_PDEATHSIG would not do, for we
// may not signal another user's process without CAP_KILL, which an unpacker has given up.
#include "tree.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, MEMORY = 512 << 20 };

static void run_filter(const char *path, char **argv, int in, int out, int err) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  // Above the standard ones first, so that no dup2 overwrites another's source.
  in = fcntl(in, F_DUPFD, 10);
  out = fcntl(out, F_DUPFD, 10);
  err = fcntl(err, F_DUPFD, 10);
  if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
  syscall(SYS_close_range, 3, ~0u, 0);
  struct rlimit memory = {MEMORY, MEMORY};
  setrlimit(RLIMIT_AS, &memory);
  if (geteuid() == 0) {
    // A user namespace may have no such id (EINVAL): then the capabilities alone go.
    if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) {
      if (errno != EINVAL && errno != EPERM) _exit(126);
    }
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  char *env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
  execve(path, argv, env);
  _exit(127);
}

// filterStart(path, argument, in, out, err): the pid.
TREE_CALL(filterStart) {
  UNUSED;
  int32_t in, out, err;
  if (JS_ToInt32(ctx, &in, argv[2]) || JS_ToInt32(ctx, &out, argv[3]) || JS_ToInt32(ctx, &err, argv[4]))
    return JS_EXCEPTION;
  const char *path = JS_ToCString(ctx, argv[0]), *argument = JS_ToCString(ctx, argv[1]);
  JSValue result = JS_EXCEPTION;
  if (path && argument) {
    char *arguments[] = {(char *)path, (char *)argument, NULL};
    pid_t pid = fork();
    if (pid == 0) run_filter(path, arguments, in, out, err);
    result = JS_NewInt32(ctx, pid < 0 ? -errno : pid);
  }
  JS_FreeCString(ctx, path);
  JS_FreeCString(ctx, argument);
  return result;
}

// filterEnd(pid): waits; 0..255 or 128+signal.
TREE_CALL(filterEnd) {
  UNUSED;
  int32_t pid;
  int status;
  if (JS_ToInt32(ctx, &pid, argv[0])) return JS_EXCEPTION;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return JS_NewInt32(ctx, -errno);
  return JS_NewInt32(ctx, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// dieWithParent(): SIGKILL when the process that started us ends.
TREE_CALL(dieWithParent) {
  UNUSED;
  return outcome(ctx, prctl(PR_SET_PDEATHSIG, SIGKILL));
}
