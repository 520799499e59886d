// What the C files share. Each file defines functions of the form
//   static JSValue name(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
// and exports one table, made with TABLE(area), which host.c lists. See README.md, "Adding C".
#ifndef BERTH_HOST_H
#define BERTH_HOST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "quickjs.h"

#define CALL(name) static JSValue name(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
#define UNUSED (void)self, (void)argc, (void)argv

// One row of a table: the call's name and how many arguments it takes (fewer are filled up with undefined).
#define ROW(name, arguments) JS_CFUNC_DEF(#name, arguments, call_##name)

struct table {
  const JSCFunctionListEntry *rows;
  int count;
};
#define TABLE(area) \
  const struct table area##_table = {area##_rows, (int)(sizeof(area##_rows) / sizeof(area##_rows[0]))}

// Arguments. Each returns false with a JS exception pending where the argument has the wrong type.
bool int_argument(JSContext *ctx, JSValueConst value, int *result);
bool int64_argument(JSContext *ctx, JSValueConst value, int64_t *result);
// Free with JS_FreeCString. A string with a NUL in it is refused: the kernel would see another one.
const char *path_argument(JSContext *ctx, JSValueConst value);
// The bytes of a Uint8Array; valid until JS code runs again.
bool bytes_argument(JSContext *ctx, JSValueConst value, uint8_t **bytes, size_t *length);

// Results. outcome(-1) takes errno.
JSValue outcome(JSContext *ctx, int64_t result);
JSValue failure(JSContext *ctx, int error);
// A Uint8Array with a copy of the bytes.
JSValue copied_bytes(JSContext *ctx, const void *bytes, size_t length);
// A Uint8Array that takes over memory from js_malloc.
JSValue owned_bytes(JSContext *ctx, uint8_t *bytes, size_t length);
JSValue int_array(JSContext *ctx, const int64_t *values, int count);

// The most that a program's heap may hold; over it an allocation throws. No berth program needs a tenth of it: this
// bounds what a hostile peer can make us keep.
#define HEAP_LIMIT ((size_t)256 << 20)

// heap.c
extern const JSMallocFunctions heap_functions;
// Gives free pages back to the kernel: of the heap, of the stack and of `scratch`.
void heap_trim(void);
// For bytes on their way through one call.
extern uint8_t scratch[64 << 10];

// units.c. Runs the main part, with the object of native calls, which it takes over. False: an exception is pending.
bool program_start(JSContext *ctx, JSValue native);
// Lets go of all units that nobody uses.
void units_forget(JSContext *ctx);
void program_free(JSContext *ctx);

// loop.c
extern int loop_fd;
int run_loop(JSContext *ctx);
bool drain_jobs(JSContext *ctx);

// host.c: an exception or rejection that nobody caught goes to the JS handler. Takes the error over.
void report_uncaught(JSContext *ctx, JSValue error);
// Set when exit was called in a build that unwinds first (see exit in host.c).
extern bool exiting;
extern int exit_status;

// files.c: puts back what set_nonblocking has changed on descriptors 0 to 2, which we share with others.
void restore_standard_flags(void);

#endif
