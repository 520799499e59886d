// A child process, made the way posix_spawn(3) makes it: it borrows our memory until it execs (CLONE_VM | CLONE_VFORK),
// so nothing is copied however large we are, and it leaves the error of a failed exec in a variable of ours.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host.h"

// spawn.ts
#define FLAG_SETSID 1
#define FLAG_SETPGID 2
// clone(2): namespaces that the child gets new ones of; the same bits in spawn.ts
#define NAMESPACES (CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)
#define MAX_FDS 64
#define CHILD_STACK (32 << 10)

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

extern char **environ;

struct plan {
  char **candidates, **arguments, **environment;
  const char *directory;
  int fds[MAX_FDS], fd_count;
  int flags, death_signal;
  pid_t parent;
  int error;
};

static void default_signals(void) {
  struct sigaction action = {.sa_handler = SIG_DFL}, before;
  for (int number = 1; number < NSIG; number++) {
    // SIGKILL, SIGSTOP and libc's own are refused; a default one stays one
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_DFL) sigaction(number, &action, NULL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// Moves the sources out of the way first, so that no target overwrites one that is still needed.
static int place_descriptors(struct plan *plan) {
  for (int i = 0; i < plan->fd_count; i++) {
    int source = plan->fds[i];
    if (source < 0) source = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (source < 0) return -1;
    plan->fds[i] = fcntl(source, F_DUPFD_CLOEXEC, plan->fd_count);
    if (plan->fds[i] < 0) return -1;
  }
  for (int i = 0; i < plan->fd_count; i++) {
    if (dup2(plan->fds[i], i) < 0) return -1; // without close-on-exec
  }
  // What we have inherited ourselves is not for the child. Linux before 5.11 lacks this; ours are close-on-exec anyway.
  syscall(SYS_close_range, plan->fd_count, ~0U, CLOSE_RANGE_CLOEXEC);
  return 0;
}

static int prepare(struct plan *plan) {
  if (plan->death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, plan->death_signal, 0, 0, 0) < 0) return -1;
    // it died before we asked; in a PID namespace of its own a child cannot see its parent
    if (!(plan->flags & CLONE_NEWPID) && getppid() != plan->parent) _exit(1);
  }
  if ((plan->flags & FLAG_SETSID) && setsid() < 0) return -1;
  if ((plan->flags & FLAG_SETPGID) && setpgid(0, 0) < 0) return -1;
  if (plan->directory != NULL && chdir(plan->directory) < 0) return -1;
  return place_descriptors(plan);
}

__attribute__((no_sanitize("address"))) static int child(void *opaque) {
  struct plan *plan = opaque;
  default_signals();
  if (prepare(plan) == 0) {
    int error = ENOENT;
    for (char **candidate = plan->candidates; *candidate != NULL; candidate++) {
      execve(*candidate, plan->arguments, plan->environment);
      // As a shell does: a folder that has no such program is passed over, one that has it and refuses is remembered.
      if (errno == ENOENT || errno == ENOTDIR) continue;
      error = errno;
      if (errno != EACCES) break;
    }
    errno = error;
  }
  plan->error = errno;
  _exit(127);
}

static void free_list(JSContext *ctx, char **list) {
  if (list == NULL) return;
  for (char **entry = list; *entry != NULL; entry++) JS_FreeCString(ctx, *entry);
  js_free(ctx, list);
}

static char **string_list(JSContext *ctx, JSValueConst array) {
  JSValue length_value = JS_GetPropertyStr(ctx, array, "length");
  int length = 0;
  bool valid = !JS_IsException(length_value) && int_argument(ctx, length_value, &length);
  JS_FreeValue(ctx, length_value);
  char **list = valid ? js_mallocz(ctx, sizeof *list * ((size_t)length + 1)) : NULL;
  for (int i = 0; list != NULL && i < length; i++) {
    JSValue entry = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
    list[i] = (char *)(uintptr_t)path_argument(ctx, entry);
    JS_FreeValue(ctx, entry);
    if (list[i] == NULL) {
      free_list(ctx, list);
      return NULL;
    }
  }
  return list;
}

static bool read_fds(JSContext *ctx, JSValueConst array, struct plan *plan) {
  JSValue length = JS_GetPropertyStr(ctx, array, "length");
  bool valid = !JS_IsException(length) && int_argument(ctx, length, &plan->fd_count);
  JS_FreeValue(ctx, length);
  if (valid && plan->fd_count > MAX_FDS) {
    JS_ThrowRangeError(ctx, __FILE__, __LINE__, "a child gets at most %d descriptors", MAX_FDS);
    return false;
  }
  for (int i = 0; valid && i < plan->fd_count; i++) {
    JSValue entry = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
    valid = int_argument(ctx, entry, &plan->fds[i]);
    JS_FreeValue(ctx, entry);
  }
  return valid;
}

static JSValue start(JSContext *ctx, struct plan *plan) {
  static char stack[CHILD_STACK] __attribute__((aligned(16)));
  sigset_t all, before;
  int pidfd = -1;
  plan->parent = getpid();
  plan->error = 0;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before); // no handler may run on the shared memory
  int how = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (plan->flags & NAMESPACES);
  pid_t pid = clone(child, stack + sizeof stack, how, plan, &pidfd);
  int error = pid < 0 ? errno : plan->error;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid > 0 && error != 0) {
    waitpid(pid, NULL, 0);
    close(pidfd);
  }
  if (error != 0) return failure(ctx, error);
  int64_t result[2] = {pid, pidfd};
  return int_array(ctx, result, 2);
}

CALL(call_spawn) {
  UNUSED;
  struct plan plan = {0};
  JSValue result = JS_EXCEPTION;
  plan.candidates = string_list(ctx, argv[0]);
  plan.arguments = string_list(ctx, argv[1]);
  bool own_environment = JS_IsNull(argv[2]);
  plan.environment = own_environment ? environ : string_list(ctx, argv[2]);
  bool has_directory = !JS_IsNull(argv[3]);
  if (has_directory) plan.directory = path_argument(ctx, argv[3]);
  if (plan.candidates != NULL && plan.arguments != NULL && plan.environment != NULL &&
      (!has_directory || plan.directory != NULL) && read_fds(ctx, argv[4], &plan) &&
      int_argument(ctx, argv[5], &plan.flags) && int_argument(ctx, argv[6], &plan.death_signal))
    result = start(ctx, &plan);
  free_list(ctx, plan.candidates);
  free_list(ctx, plan.arguments);
  if (!own_environment) free_list(ctx, plan.environment);
  if (plan.directory != NULL) JS_FreeCString(ctx, plan.directory);
  return result;
}

static const JSCFunctionListEntry spawn_rows[] = {ROW(spawn, 7)};
TABLE(spawn);
