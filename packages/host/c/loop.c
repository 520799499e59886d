// The epoll loop. Who watches what, and all timers, are in TypeScript (loop.ts, timers.ts).
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

#define EVENTS_PER_WAIT 64
// What turn() answers when nothing is left that could happen (loop.ts).
#define DONE (-2)

int loop_fd = -1;
static JSValue dispatch, turn;

CALL(call_loopOpen) {
  UNUSED;
  if (loop_fd >= 0) return failure(ctx, EEXIST);
  loop_fd = epoll_create1(EPOLL_CLOEXEC);
  if (loop_fd < 0) return failure(ctx, errno);
  dispatch = JS_DupValue(ctx, argv[0]);
  turn = JS_DupValue(ctx, argv[1]);
  return JS_NewInt32(ctx, 0);
}

static JSValue control(JSContext *ctx, int operation, JSValueConst *argv) {
  int fd, token = 0, events = 0;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  if (operation != EPOLL_CTL_DEL && (!int_argument(ctx, argv[1], &token) || !int_argument(ctx, argv[2], &events)))
    return JS_EXCEPTION;
  struct epoll_event event = {.events = (uint32_t)events, .data = {.u64 = (uint64_t)token}};
  return outcome(ctx, epoll_ctl(loop_fd, operation, fd, &event));
}

CALL(call_loopAdd) {
  UNUSED;
  return control(ctx, EPOLL_CTL_ADD, argv);
}

CALL(call_loopModify) {
  UNUSED;
  return control(ctx, EPOLL_CTL_MOD, argv);
}

CALL(call_loopRemove) {
  UNUSED;
  return control(ctx, EPOLL_CTL_DEL, argv);
}

CALL(call_loopIsOpen) {
  UNUSED;
  return JS_NewBool(ctx, loop_fd >= 0);
}

CALL(call_eventCounter) {
  UNUSED;
  return outcome(ctx, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static double milliseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

CALL(call_now) {
  UNUSED;
  return JS_NewFloat64(ctx, milliseconds(CLOCK_REALTIME));
}

CALL(call_monotonic) {
  UNUSED;
  return JS_NewFloat64(ctx, milliseconds(CLOCK_MONOTONIC));
}

static void report_exception(JSContext *ctx) {
  JSValue error = JS_GetException(ctx);
  if (exiting) JS_FreeValue(ctx, error);
  else report_uncaught(ctx, error);
}

static int next_timeout(JSContext *ctx) {
  JSValue result = JS_Call(ctx, turn, JS_UNDEFINED, 0, NULL);
  int timeout = 0;
  if (JS_IsException(result)) report_exception(ctx);
  else JS_ToInt32(ctx, &timeout, result);
  JS_FreeValue(ctx, result);
  return timeout;
}

static bool deliver(JSContext *ctx, const struct epoll_event *event) {
  JSValueConst arguments[2] = {JS_NewInt64(ctx, (int64_t)event->data.u64), JS_NewUint32(ctx, event->events)};
  JSValue result = JS_Call(ctx, dispatch, JS_UNDEFINED, 2, arguments);
  if (JS_IsException(result)) report_exception(ctx);
  JS_FreeValue(ctx, result);
  return drain_jobs(ctx);
}

// Runs until exit is called or nothing is left to wait for; returns the exit status.
int run_loop(JSContext *ctx) {
  struct epoll_event events[EVENTS_PER_WAIT];
  while (drain_jobs(ctx) && loop_fd >= 0) {
    int timeout = next_timeout(ctx);
    if (timeout == DONE || !drain_jobs(ctx)) break;
    int count = epoll_wait(loop_fd, events, EVENTS_PER_WAIT, timeout);
    for (int i = 0; i < count; i++) {
      if (!deliver(ctx, &events[i])) break;
    }
  }
  if (loop_fd >= 0) {
    JS_FreeValue(ctx, dispatch);
    JS_FreeValue(ctx, turn);
    close(loop_fd);
  }
  return 0;
}

static const JSCFunctionListEntry loop_rows[] = {
  ROW(loopOpen, 2), ROW(loopAdd, 3), ROW(loopModify, 3), ROW(loopRemove, 1), ROW(loopIsOpen, 0), ROW(eventCounter, 0),
  ROW(now, 0), ROW(monotonic, 0),
};
TABLE(loop);
