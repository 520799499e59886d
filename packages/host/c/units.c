// Parts of the program that are evaluated when they are first needed, and let go of when the program is idle.
//
// The bytecode of a unit lies in the executable's pages, which all processes share, until the program asks for it
// (`import()` in the sources, berthUnit(number) in the bundle). It is then a function from the main module's exports to
// the unit's own, which are kept until units_forget: what of it is still in use lives on, the rest is garbage.
#include <stdlib.h>
#include "host.h"
#include "program.h"

static JSModuleDef *main_module;
static JSValue main_exports, native_exports;
static JSValue *units; // undefined where it is not there

#define COUNT (program_count - 1)

static JSValue evaluate(JSContext *ctx, const struct bytecode *code) {
  JSValue function = JS_ReadObject(ctx, code->start, (size_t)(code->end - code->start), JS_READ_OBJ_BYTECODE);
  if (JS_IsException(function)) return function;
  JSValue make = JS_EvalFunction(ctx, function);
  if (JS_IsException(make)) return make;
  JSValueConst arguments[] = {main_exports, native_exports};
  JSValue exports = JS_Call(ctx, make, JS_UNDEFINED, 2, arguments);
  JS_FreeValue(ctx, make);
  return exports;
}

CALL(call_unit) {
  UNUSED;
  int number;
  if (!int_argument(ctx, argv[0], &number)) return JS_EXCEPTION;
  if (number < 0 || number >= COUNT) return JS_ThrowRangeError(ctx, __FILE__, __LINE__, "there is no unit %d", number);
  // Not before: a module has no exports until it is linked.
  if (JS_IsUndefined(main_exports)) main_exports = JS_GetModuleNamespace(ctx, main_module);
  if (JS_IsException(main_exports)) {
    main_exports = JS_UNDEFINED;
    return JS_EXCEPTION;
  }
  if (JS_IsUndefined(units[number])) {
    JSValue exports = evaluate(ctx, &program[number + 1]);
    if (JS_IsException(exports)) return exports;
    units[number] = exports;
  }
  return JS_DupValue(ctx, units[number]);
}

bool units_init(JSContext *ctx, JSModuleDef *module, JSValueConst native) {
  main_module = module;
  main_exports = JS_UNDEFINED;
  native_exports = JS_NewObject(ctx);
  JS_SetPropertyStr(ctx, native_exports, "native", JS_DupValue(ctx, native));
  units = malloc(sizeof *units * (size_t)program_count);
  if (units == NULL) return false;
  for (int i = 0; i < COUNT; i++) units[i] = JS_UNDEFINED;
  JSValue global = JS_GetGlobalObject(ctx);
  JS_SetPropertyStr(ctx, global, "berthUnit", JS_NewCFunction(ctx, call_unit, "berthUnit", 1));
  JS_FreeValue(ctx, global);
  return true;
}

void units_forget(JSContext *ctx) {
  if (units == NULL) return; // the program could not be read
  for (int i = 0; i < COUNT; i++) {
    JSValue exports = units[i];
    units[i] = JS_UNDEFINED;
    JS_FreeValue(ctx, exports);
  }
}

void units_free(JSContext *ctx) {
  if (units == NULL) return;
  units_forget(ctx);
  free(units);
  JS_FreeValue(ctx, native_exports);
  JS_FreeValue(ctx, main_exports);
}
