// Mistakes on purpose, to be linked into a build that has to report them. No release has this file.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

static volatile int sum;

static __attribute__((noinline)) void leak_bytes(void) {
  char *volatile lost = malloc(4242);
  memset(lost, 1, 4242);
  lost = NULL;
}

static __attribute__((noinline)) void use_after_free(void) {
  char *volatile gone = malloc(64);
  memset(gone, 1, 64);
  free(gone);
  sum += gone[7];
}

static __attribute__((noinline)) void overflow_heap(void) {
  char *volatile small = malloc(64);
  memset(small, 1, (size_t)(65 + sum));
  sum += small[3];
  free(small);
}

static __attribute__((noinline)) void overflow_stack(int length) {
  char buffer[16];
  memset(buffer, 1, (size_t)length);
  sum += buffer[3];
}

// plant(kind, string): makes it; false: there is none of that kind. A leak shows when the program ends.
CALL(call_plant) {
  UNUSED;
  const char *kind = path_argument(ctx, argv[0]);
  if (kind == NULL) return JS_EXCEPTION;
  bool known = true;
  if (strcmp(kind, "leak") == 0) leak_bytes();
  else if (strcmp(kind, "leaked string") == 0) JS_DupValue(ctx, argv[1]);
  else if (strcmp(kind, "use after free") == 0) use_after_free();
  else if (strcmp(kind, "heap overflow") == 0) overflow_heap();
  else if (strcmp(kind, "stack overflow") == 0) overflow_stack(17 + sum);
  else if (strcmp(kind, "undefined behaviour") == 0) sum = INT_MAX, sum = sum + 1;
  else if (strcmp(kind, "nothing") != 0) known = false;
  JS_FreeCString(ctx, kind);
  return JS_NewBool(ctx, known);
}

static const JSCFunctionListEntry planted_rows[] = {ROW(plant, 2)};
TABLE(planted);
