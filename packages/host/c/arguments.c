#include "host.h"

bool int_argument(JSContext *ctx, JSValueConst value, int *result) {
  int32_t number;
  if (JS_ToInt32(ctx, &number, value)) return false;
  *result = number;
  return true;
}

bool int64_argument(JSContext *ctx, JSValueConst value, int64_t *result) {
  return JS_ToInt64(ctx, result, value) == 0;
}

const char *path_argument(JSContext *ctx, JSValueConst value) {
  size_t length;
  const char *path = JS_ToCStringLen(ctx, &length, value);
  if (path != NULL && strlen(path) != length) {
    JS_FreeCString(ctx, path);
    JS_ThrowTypeError(ctx, __FILE__, __LINE__, "a string for the kernel must not contain a NUL character");
    return NULL;
  }
  return path;
}

bool bytes_argument(JSContext *ctx, JSValueConst value, uint8_t **bytes, size_t *length) {
  size_t offset, element, size;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, length, &element);
  if (JS_IsException(buffer)) return false;
  uint8_t *data = JS_GetArrayBuffer(ctx, &size, buffer);
  JS_FreeValue(ctx, buffer); // the typed array holds it
  if (data == NULL && size != 0) return false;
  *bytes = data == NULL ? NULL : data + offset;
  return true;
}

JSValue failure(JSContext *ctx, int error) {
  return JS_NewInt32(ctx, -error);
}

JSValue outcome(JSContext *ctx, int64_t result) {
  return result < 0 ? failure(ctx, errno) : JS_NewInt64(ctx, result);
}

static JSValue typed_array(JSContext *ctx, JSValue buffer) {
  if (JS_IsException(buffer)) return buffer;
  JSValueConst arguments[3] = {buffer, JS_UNDEFINED, JS_UNDEFINED};
  JSValue array = JS_NewTypedArray(ctx, 3, arguments, JS_TYPED_ARRAY_UINT8);
  JS_FreeValue(ctx, buffer);
  return array;
}

JSValue copied_bytes(JSContext *ctx, const void *bytes, size_t length) {
  return typed_array(ctx, JS_NewArrayBufferCopy(ctx, bytes, length));
}

static void free_bytes(JSRuntime *rt, void *opaque, void *bytes) {
  (void)opaque;
  js_free_rt(rt, bytes);
}

JSValue owned_bytes(JSContext *ctx, uint8_t *bytes, size_t length) {
  return typed_array(ctx, JS_NewArrayBuffer(ctx, bytes, length, free_bytes, NULL, 0));
}

JSValue int_array(JSContext *ctx, const int64_t *values, int count) {
  JSValue array = JS_NewArray(ctx);
  for (int i = 0; i < count && !JS_IsException(array); i++) {
    if (JS_SetPropertyUint32(ctx, array, (uint32_t)i, JS_NewInt64(ctx, values[i])) < 0) {
      JS_FreeValue(ctx, array);
      return JS_EXCEPTION;
    }
  }
  return array;
}
