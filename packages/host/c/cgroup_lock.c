// Takes the kernel's lock for moving processes between cgroups ahead of somebody who is about to need it.
//
// A write to cgroup.procs takes cgroup_threadgroup_rwsem, which waits for an RCU grace period (some 10 ms) unless it was
// taken less than one ago (kernel/rcu/sync.c). Moving a process to where it already is takes it as well, and nothing else
// happens. So a thread does that with itself, again and again, while an OCI runtime comes up: the two waits overlap. It
// names its own thread id: whatever else moves the process meanwhile, nothing but this thread could be moved back.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

#define STACK (32 << 10)

struct round {
  int fd, number, times;
  struct timespec between;
};

// The round that may go on; any other ends at its next step.
static atomic_int current;
static int users;

static void *keep(void *opaque) {
  struct round round = *(struct round *)opaque;
  free(opaque);
  char id[16];
  int length = snprintf(id, sizeof id, "%ld", syscall(SYS_gettid));
  while (round.times-- > 0 && atomic_load(&current) == round.number) {
    if (write(round.fd, id, (size_t)length) < 0) break; // it was only to save time
    nanosleep(&round.between, NULL);
  }
  close(round.fd);
  return NULL;
}

// cgroupLockKeep(fd, microseconds between, times): takes the descriptor over. Goes on from an earlier call's round.
CALL(call_cgroupLockKeep) {
  UNUSED;
  int fd, pause, times;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &pause) || !int_argument(ctx, argv[2], &times))
    return JS_EXCEPTION;
  struct round *round = malloc(sizeof *round);
  if (round == NULL) {
    close(fd);
    return failure(ctx, ENOMEM);
  }
  *round = (struct round){
    .fd = fd,
    .number = atomic_fetch_add(&current, 1) + 1,
    .times = times,
    .between = {.tv_sec = pause / 1000000, .tv_nsec = pause % 1000000 * 1000},
  };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are the loop's: the thread inherits that it takes none.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, keep, round);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    free(round);
    close(fd);
    return failure(ctx, error);
  }
  users++;
  return outcome(ctx, 0);
}

// Once for each cgroupLockKeep; the last one ends the round.
CALL(call_cgroupLockLeave) {
  UNUSED;
  if (--users == 0) atomic_fetch_add(&current, 1);
  return outcome(ctx, 0);
}

static const JSCFunctionListEntry cgroup_lock_rows[] = {ROW(cgroupLockKeep, 3), ROW(cgroupLockLeave, 0)};
TABLE(cgroup_lock);
