// The parts of the program. The main part is evaluated at the start. A unit is evaluated when it is first needed, and let
// go of when the program is idle.
//
// The bytecode lies in the executable's pages, which all processes share. Each part is a function from the main part's
// exports, and the native calls, to its own exports; what the function itself takes (the engine copies it) is free again
// once it has run. A unit is asked for by `import()` in the sources, berthUnit(number) in the bundle; its exports are kept
// until units_forget: what of them is still in use lives on, the rest is garbage.
#include <stdlib.h>
#include "host.h"
#include "program.h"

static JSValue main_exports, native_exports;
static JSValue *units; // undefined where it is not there

#define COUNT (program_count - 1)

static JSValue evaluate(JSContext *ctx, const struct bytecode *code) {
  JSValue script = JS_ReadObject(ctx, code->start, (size_t)(code->end - code->start), JS_READ_OBJ_BYTECODE);
  if (JS_IsException(script)) return script;
  JSValue part = JS_EvalFunction(ctx, script);
  if (JS_IsException(part)) return part;
  JSValueConst arguments[] = {main_exports, native_exports};
  JSValue exports = JS_Call(ctx, part, JS_UNDEFINED, 2, arguments);
  JS_FreeValue(ctx, part);
  return exports;
}

CALL(call_unit) {
  UNUSED;
  int number;
  if (!int_argument(ctx, argv[0], &number)) return JS_EXCEPTION;
  if (number < 0 || number >= COUNT) return JS_ThrowRangeError(ctx, __FILE__, __LINE__, "there is no unit %d", number);
  if (JS_IsUndefined(main_exports))
    return JS_ThrowInternalError(ctx, __FILE__, __LINE__, "a unit was asked for before the main part was there");
  if (JS_IsUndefined(units[number])) {
    JSValue exports = evaluate(ctx, &program[number + 1]);
    if (JS_IsException(exports)) return exports;
    units[number] = exports;
  }
  return JS_DupValue(ctx, units[number]);
}

bool program_start(JSContext *ctx, JSValue native) {
  main_exports = JS_UNDEFINED;
  native_exports = JS_NewObject(ctx);
  JS_SetPropertyStr(ctx, native_exports, "native", native);
  units = malloc(sizeof *units * (size_t)program_count);
  if (units == NULL) return false;
  for (int i = 0; i < COUNT; i++) units[i] = JS_UNDEFINED;
  JSValue global = JS_GetGlobalObject(ctx);
  JS_SetPropertyStr(ctx, global, "berthUnit", JS_NewCFunction(ctx, call_unit, "berthUnit", 1));
  JS_FreeValue(ctx, global);
  JSValue exports = evaluate(ctx, &program[0]);
  if (JS_IsException(exports)) return false;
  main_exports = exports;
  return true;
}

void units_forget(JSContext *ctx) {
  for (int i = 0; i < COUNT; i++) {
    JSValue exports = units[i];
    units[i] = JS_UNDEFINED;
    JS_FreeValue(ctx, exports);
  }
}

void program_free(JSContext *ctx) {
  if (units != NULL) units_forget(ctx);
  free(units);
  JS_FreeValue(ctx, native_exports);
  JS_FreeValue(ctx, main_exports);
}
