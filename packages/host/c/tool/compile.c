// Build tool: compiles a script to bytecode. Usage: compile INPUT.js OUTPUT.bin NAME STRIP-FLAGS
#include <stdio.h>
#include <stdlib.h>
#include "quickjs.h"

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*length + 1);
  if (text != NULL && fread(text, 1, *length, file) != *length) text = NULL;
  if (text != NULL) text[*length] = '\0';
  fclose(file);
  return text;
}

static int fail(JSContext *ctx, const char *what) {
  JSValue error = JS_GetException(ctx);
  const char *text = JS_ToCString(ctx, error);
  JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
  const char *lines = JS_ToCString(ctx, stack);
  fprintf(stderr, "%s: %s\n%s\n", what, text != NULL ? text : "", lines != NULL ? lines : "");
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const char *input = argv[1], *output = argv[2], *name = argv[3];
  size_t length, size;
  char *source = read_file(input, &length);
  if (source == NULL) {
    perror(input);
    return 1;
  }
  JSRuntime *rt = JS_NewRuntime();
  JSContext *ctx = JS_NewContext(rt);
  JS_SetMaxStackSize(rt, 0);
  JS_SetStripInfo(rt, atoi(argv[4]));
  JSValue code = JS_Eval(ctx, source, length, name, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
  if (JS_IsException(code)) return fail(ctx, name);
  uint8_t *bytecode = JS_WriteObject(ctx, &size, code, JS_WRITE_OBJ_BYTECODE);
  if (bytecode == NULL) return fail(ctx, name);
  FILE *file = fopen(output, "wb");
  if (file == NULL || fwrite(bytecode, 1, size, file) != size || fclose(file) != 0) {
    perror(output);
    return 1;
  }
  return 0;
}
