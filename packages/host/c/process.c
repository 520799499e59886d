// This process, its children and its signals.
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

// linux/prctl.h of Linux 5.14; older headers lack them
#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#endif
#define SCHED_CORE_CREATE 1
#define SCHED_CORE_SCOPE_PROCESS_GROUP 2
#define REAPED_PER_CALL 64

CALL(call_pid) { UNUSED; return JS_NewInt32(ctx, getpid()); }
CALL(call_uid) { UNUSED; return JS_NewInt64(ctx, geteuid()); }
CALL(call_gid) { UNUSED; return JS_NewInt64(ctx, getegid()); }
CALL(call_setsid) { UNUSED; return outcome(ctx, setsid()); }
CALL(call_fork) { UNUSED; return outcome(ctx, fork()); }
CALL(call_becomeSubreaper) { UNUSED; return outcome(ctx, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }
CALL(call_disableHugePages) { UNUSED; return outcome(ctx, prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)); }

CALL(call_scheduleCoreCreate) {
  UNUSED;
  return outcome(ctx, prctl(PR_SCHED_CORE, SCHED_CORE_CREATE, 0, SCHED_CORE_SCOPE_PROCESS_GROUP, 0));
}

CALL(call_cwd) {
  UNUSED;
  char *path = getcwd(NULL, 0);
  if (path == NULL) return failure(ctx, errno);
  JSValue result = JS_NewString(ctx, path);
  free(path);
  return result;
}

CALL(call_dup2) {
  UNUSED;
  int from, to;
  if (!int_argument(ctx, argv[0], &from) || !int_argument(ctx, argv[1], &to)) return JS_EXCEPTION;
  return outcome(ctx, dup2(from, to));
}

CALL(call_kill) {
  UNUSED;
  int pid, number;
  if (!int_argument(ctx, argv[0], &pid) || !int_argument(ctx, argv[1], &number)) return JS_EXCEPTION;
  return outcome(ctx, kill(pid, number));
}

CALL(call_pidfdKill) {
  UNUSED;
  int fd, number;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &number)) return JS_EXCEPTION;
  return outcome(ctx, syscall(SYS_pidfd_send_signal, fd, number, NULL, 0));
}

CALL(call_setName) {
  UNUSED;
  const char *name = path_argument(ctx, argv[0]);
  if (name == NULL) return JS_EXCEPTION;
  JSValue result = outcome(ctx, prctl(PR_SET_NAME, name, 0, 0, 0));
  JS_FreeCString(ctx, name);
  return result;
}

CALL(call_unshareMounts) {
  UNUSED;
  if (unshare(CLONE_NEWNS) < 0) return failure(ctx, errno);
  return outcome(ctx, mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL));
}

CALL(call_enterNetwork) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return outcome(ctx, setns(fd, CLONE_NEWNET));
}

CALL(call_dropCapabilities) {
  UNUSED;
  int low, high;
  if (!int_argument(ctx, argv[0], &low) || !int_argument(ctx, argv[1], &high)) return JS_EXCEPTION;
  uint64_t keep = (uint32_t)low | (uint64_t)(uint32_t)high << 32;
  for (int number = 0; number < 64 && prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) {
    if (!(keep >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) return failure(ctx, errno);
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return failure(ctx, errno);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct now[2];
  if (syscall(SYS_capget, &header, now) < 0) return failure(ctx, errno);
  for (int half = 0; half < 2; half++) {
    uint32_t mask = (uint32_t)(keep >> 32 * half);
    now[half].permitted &= mask;
    now[half].effective &= mask;
    now[half].inheritable = 0;
  }
  if (syscall(SYS_capset, &header, now) < 0) return failure(ctx, errno);
  return outcome(ctx, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

CALL(call_reap) {
  UNUSED;
  int64_t ended[REAPED_PER_CALL * 2];
  int count = 0, status;
  pid_t pid;
  while (count < REAPED_PER_CALL * 2 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
    ended[count++] = pid;
    ended[count++] = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return int_array(ctx, ended, count);
}

CALL(call_childState) {
  UNUSED;
  int pid;
  if (!int_argument(ctx, argv[0], &pid)) return JS_EXCEPTION;
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return failure(ctx, errno);
  return JS_NewInt32(ctx, info.si_pid != 0);
}

static sigset_t watched;

CALL(call_signalOpen) {
  UNUSED;
  sigemptyset(&watched);
  return outcome(ctx, signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC));
}

CALL(call_signalAdd) {
  UNUSED;
  int fd, number;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &number)) return JS_EXCEPTION;
  if (sigaddset(&watched, number) < 0 || sigprocmask(SIG_BLOCK, &watched, NULL) < 0) return failure(ctx, errno);
  // An ignored signal is never queued, not even for a signalfd; SIGCHLD ignored would also reap behind our back.
  signal(number, SIG_DFL);
  return outcome(ctx, signalfd(fd, &watched, 0));
}

CALL(call_signalRead) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) < 0) return failure(ctx, errno);
  return JS_NewInt32(ctx, (int)info.ssi_signo);
}

static const JSCFunctionListEntry process_rows[] = {
  ROW(pid, 0), ROW(uid, 0), ROW(gid, 0), ROW(cwd, 0), ROW(fork, 0), ROW(setsid, 0), ROW(dup2, 2),
  ROW(kill, 2), ROW(pidfdKill, 2), ROW(becomeSubreaper, 0), ROW(setName, 1), ROW(disableHugePages, 0),
  ROW(scheduleCoreCreate, 0), ROW(unshareMounts, 0), ROW(enterNetwork, 1), ROW(dropCapabilities, 2), ROW(reap, 0),
  ROW(childState, 1), ROW(signalOpen, 0), ROW(signalAdd, 2), ROW(signalRead, 1),
};
TABLE(process);
