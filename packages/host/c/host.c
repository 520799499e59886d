// The program's frame: makes the engine, runs the embedded program and the loop until nothing is left.
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "host.h"
#include "leak_check.h"

// Bytes allocated before the first collection of cycles; most garbage is freed at once by reference counts.
#define GC_THRESHOLD ((size_t)512 << 10)
// Of the main thread's stack (8 MiB by default); deeper recursion throws.
#define STACK_SIZE ((size_t)512 << 10)
// sysexits.h, EX_SOFTWARE
#define INTERNAL_ERROR 70

// Every C file's table. An optional one is declared weak: it is there when its file is linked.
#define EACH_TABLE(X) X(host) X(loop) X(process) X(spawn) X(files) X(tree_removal) X(socket) X(pump) X(log) X(terminal) X(bytes) X(errors) X(cgroup_lock) X(mount_api) X(tree) X(helper) X(planted)
extern const struct table tree_table __attribute__((weak)); // packages/unpack/c
extern const struct table helper_table __attribute__((weak)); // packages/helper/c
extern const struct table planted_table __attribute__((weak)); // mistakes for tests of the sanitizers
#define DECLARE(area) extern const struct table area##_table;
EACH_TABLE(DECLARE)

extern char **environ;

bool exiting;
int exit_status;
static int argument_count;
static char **arguments;
static JSValue uncaught_handler;

void report_uncaught(JSContext *ctx, JSValue error) {
  if (JS_IsFunction(ctx, uncaught_handler)) {
    JSValue result = JS_Call(ctx, uncaught_handler, JS_UNDEFINED, 1, &error);
    JS_FreeValue(ctx, error);
    if (!JS_IsException(result) || exiting) {
      JS_FreeValue(ctx, result);
      return;
    }
    error = JS_GetException(ctx); // the handler itself failed: fall through to the plain report
  }
  const char *text = JS_ToCString(ctx, error);
  fprintf(stderr, "uncaught %s\n", text != NULL ? text : "error");
  JS_FreeCString(ctx, text);
  JSValue stack = JS_IsError(ctx, error) ? JS_GetPropertyStr(ctx, error, "stack") : JS_UNDEFINED;
  if (!JS_IsUndefined(stack) && !JS_IsException(stack)) {
    const char *lines = JS_ToCString(ctx, stack);
    fprintf(stderr, "%s", lines != NULL ? lines : "");
    JS_FreeCString(ctx, lines);
  }
  JS_FreeValue(ctx, stack);
  JS_FreeValue(ctx, error);
  restore_standard_flags();
  _exit(INTERNAL_ERROR);
}

static JSValue strings(JSContext *ctx, char **list, int count) {
  JSValue array = JS_NewArray(ctx);
  for (int i = 0; i < count; i++) JS_SetPropertyUint32(ctx, array, (uint32_t)i, JS_NewString(ctx, list[i]));
  return array;
}

CALL(call_argv) {
  UNUSED;
  return strings(ctx, arguments, argument_count);
}

CALL(call_environ) {
  UNUSED;
  int count = 0;
  while (environ[count] != NULL) count++;
  return strings(ctx, environ, count);
}

CALL(call_env) {
  UNUSED;
  const char *name = path_argument(ctx, argv[0]);
  if (name == NULL) return JS_EXCEPTION;
  const char *value = getenv(name);
  JS_FreeCString(ctx, name);
  return value == NULL ? JS_NULL : JS_NewString(ctx, value);
}

CALL(call_exit) {
  UNUSED;
  int status;
  if (!int_argument(ctx, argv[0], &status)) return JS_EXCEPTION;
  restore_standard_flags();
#ifdef UNWIND_ON_EXIT
  // Sanitizer builds free everything first, so that what is left over shows: leave by an exception that JS cannot catch.
  exiting = true;
  exit_status = status;
  JSValue thrown = JS_ThrowInternalError(ctx, __FILE__, __LINE__, "exit");
  JS_SetUncatchableException(ctx, 1);
  return thrown;
#else
  _exit(status);
#endif
}

CALL(call_setUncaught) {
  UNUSED;
  JS_FreeValue(ctx, uncaught_handler);
  uncaught_handler = JS_DupValue(ctx, argv[0]);
  return JS_UNDEFINED;
}

// collectGarbage(forgetting): whether units go too.
CALL(call_collectGarbage) {
  UNUSED;
  if (JS_ToBool(ctx, argv[0])) units_forget(ctx);
  JS_RunGC(JS_GetRuntime(ctx));
  heap_trim();
  return JS_UNDEFINED;
}

static const JSCFunctionListEntry host_rows[] = {
  ROW(argv, 0), ROW(environ, 0), ROW(env, 1), ROW(exit, 1), ROW(setUncaught, 1), ROW(collectGarbage, 1),
};
TABLE(host);

// The engine makes the functions of a property list when they are first used.
static JSValue native_calls(JSContext *ctx) {
  JSValue native = JS_NewObject(ctx);
#define FILL(area) \
  if (&area##_table != NULL) JS_SetPropertyFunctionList(ctx, native, area##_table.rows, area##_table.count);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Waddress"
  EACH_TABLE(FILL)
#pragma GCC diagnostic pop
  return native;
}

// Rejections without a handler, until the jobs that might add one have run.
#define MAX_REJECTIONS 64
static struct { JSValue promise, reason; } rejections[MAX_REJECTIONS];
static int rejection_count;

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, JS_BOOL is_handled, void *opaque) {
  (void)opaque;
  if (!is_handled) {
    if (rejection_count == MAX_REJECTIONS) return; // the first ones tell enough
    rejections[rejection_count].promise = JS_DupValue(ctx, promise);
    rejections[rejection_count++].reason = JS_DupValue(ctx, reason);
    return;
  }
  for (int i = 0; i < rejection_count; i++) {
    if (JS_VALUE_GET_PTR(rejections[i].promise) != JS_VALUE_GET_PTR(promise)) continue;
    JS_FreeValue(ctx, rejections[i].promise);
    JS_FreeValue(ctx, rejections[i].reason);
    rejections[i] = rejections[--rejection_count];
    return;
  }
}

static bool report_rejections(JSContext *ctx) {
  bool any = rejection_count > 0;
  while (rejection_count > 0) {
    JSValue reason = rejections[0].reason;
    JS_FreeValue(ctx, rejections[0].promise);
    rejection_count--;
    memmove(rejections, rejections + 1, sizeof rejections[0] * (size_t)rejection_count);
    if (exiting) JS_FreeValue(ctx, reason);
    else report_uncaught(ctx, reason);
  }
  return any;
}

// Runs what promises have queued. False: exit was called.
bool drain_jobs(JSContext *ctx) {
  JSContext *of_job;
  do {
    int ran;
    while (!exiting && (ran = JS_ExecutePendingJob(JS_GetRuntime(ctx), &of_job)) != 0) {
      if (ran < 0) {
        JSValue error = JS_GetException(of_job);
        if (exiting) JS_FreeValue(ctx, error);
        else report_uncaught(ctx, error);
      }
    }
  } while (report_rejections(ctx) && !exiting);
  return !exiting;
}

#ifdef GC_STRESS
// Makes each allocation collect: the engine raises its threshold after a collection, this puts it back.
static JSRuntime *stressed;
static void *stress_malloc(JSMallocState *s, size_t size) {
  (void)s;
  if (stressed != NULL) JS_SetGCThreshold(stressed, 0);
  return malloc(size);
}
static void stress_free(JSMallocState *s, void *p) { (void)s; free(p); }
static void *stress_realloc(JSMallocState *s, void *p, size_t size) {
  (void)s;
  if (size == 0) { free(p); return NULL; }
  return realloc(p, size);
}
static size_t stress_size(const void *p) { return malloc_usable_size((void *)(uintptr_t)p); }
static JSRuntime *new_runtime(void) {
  static const JSMallocFunctions functions = {stress_malloc, stress_free, stress_realloc, stress_size};
  return JS_NewRuntime2(&functions, NULL);
}
#else
#ifdef __SANITIZE_ADDRESS__
static JSRuntime *new_runtime(void) { return JS_NewRuntime(); } // the sanitizer watches the C library's
#else
static JSRuntime *new_runtime(void) { return JS_NewRuntime2(&heap_functions, NULL); }
#endif
#endif

static JSContext *new_context(JSRuntime *rt) {
  JSContext *ctx = JS_NewContextRaw(rt);
  if (ctx == NULL) return NULL;
  // No Eval (there is only bytecode), no Proxy, no WeakRef: nothing uses them, and what is not there cannot be misused.
  JS_AddIntrinsicBaseObjects(ctx);
  JS_AddIntrinsicDate(ctx);
  JS_AddIntrinsicStringNormalize(ctx); // brings localeCompare too
  JS_AddIntrinsicRegExp(ctx);
  JS_AddIntrinsicJSON(ctx);
  JS_AddIntrinsicMapSet(ctx);
  JS_AddIntrinsicTypedArrays(ctx);
  JS_AddIntrinsicPromise(ctx);
  return ctx;
}

int main(int count, char **list) {
  argument_count = count;
  arguments = list;
  uncaught_handler = JS_UNDEFINED;
  signal(SIGPIPE, SIG_IGN);
  JSRuntime *rt = new_runtime();
  if (rt == NULL) return INTERNAL_ERROR;
  JS_SetMemoryLimit(rt, HEAP_LIMIT);
  JS_SetGCThreshold(rt, GC_THRESHOLD);
  JS_SetMaxStackSize(rt, STACK_SIZE);
  JS_SetHostPromiseRejectionTracker(rt, track_rejection, NULL);
  JSContext *ctx = new_context(rt);
  if (ctx == NULL) return INTERNAL_ERROR;
#ifdef GC_STRESS
  stressed = rt;
#endif
  if (!program_start(ctx, native_calls(ctx))) {
    JSValue error = JS_GetException(ctx);
    if (exiting) JS_FreeValue(ctx, error);
    else report_uncaught(ctx, error);
  }
  int status = run_loop(ctx);
  restore_standard_flags();
#ifdef UNWIND_ON_EXIT
  while (rejection_count > 0) {
    JS_FreeValue(ctx, rejections[--rejection_count].promise);
    JS_FreeValue(ctx, rejections[rejection_count].reason);
  }
  JS_FreeValue(ctx, uncaught_handler);
  uncaught_handler = JS_UNDEFINED;
  program_free(ctx);
  JS_FreeContext(ctx);
  JS_FreeRuntime(rt);
#endif
#ifdef __SANITIZE_ADDRESS__
  leak_check();
#endif
  return exiting ? exit_status : status;
}
