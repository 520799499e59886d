// LeakSanitizer opens /proc/PID/task and /proc/self/maps when it looks, which a process in a chroot cannot. A thread
// that was made before keeps the root of that time (unshare(2), CLONE_FS), and looks from there.
#include "leak_check.h"
#ifdef __SANITIZE_ADDRESS__
#include <pthread.h>
#include <sanitizer/lsan_interface.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool has_thread;
static pthread_t thread;
static sem_t ready, wanted;

static void must(bool done, const char *what) {
  if (done) return;
  perror(what);
  abort(); // a check that is silently off is worse than none
}

static void *look_when_wanted(void *unused) {
  must(unshare(CLONE_FS) == 0, "leak check: unshare");
  sem_post(&ready);
  while (sem_wait(&wanted) != 0) continue;
  __lsan_do_leak_check();
  return unused;
}

void leak_check_before_chroot(void) {
  if (has_thread) return;
  must(sem_init(&ready, 0, 0) == 0 && sem_init(&wanted, 0, 0) == 0, "leak check: sem_init");
  must(pthread_create(&thread, NULL, look_when_wanted, NULL) == 0, "leak check: pthread_create");
  has_thread = true;
  while (sem_wait(&ready) != 0) continue;
}

void leak_check(void) {
  if (!has_thread) {
    __lsan_do_leak_check();
    return;
  }
  sem_post(&wanted);
  pthread_join(thread, NULL);
}
#endif
