// Text and bytes: UTF-8, hex, hashes, random bytes.
#include <sys/random.h>
#include "host.h"
#include "sha256.h"

#define MAX_RANDOM (64 << 10)

static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd}; // U+FFFD

CALL(call_encodeUtf8) {
  UNUSED;
  size_t length;
  const char *text = JS_ToCStringLen(ctx, &length, argv[0]);
  if (text == NULL) return JS_EXCEPTION;
  uint8_t *bytes = length == 0 ? NULL : js_malloc(ctx, length);
  if (bytes != NULL) memcpy(bytes, text, length);
  JS_FreeCString(ctx, text);
  if (length == 0) return copied_bytes(ctx, "", 0);
  if (bytes == NULL) return JS_EXCEPTION;
  // The engine writes half of a surrogate pair as three bytes from 0xed 0xa0; in UTF-8 it has to be U+FFFD.
  for (size_t i = 0; i + 2 < length; i++) {
    if (bytes[i] == 0xed && bytes[i + 1] >= 0xa0) memcpy(bytes + i, replacement, 3);
  }
  return owned_bytes(ctx, bytes, length);
}

// The length of the well-formed character at the start, or minus how many bytes make one U+FFFD: the longest piece that
// could have begun a character (Unicode, "maximal subpart"; encoding.spec.whatwg.org, UTF-8 decoder).
static int character(const uint8_t *bytes, size_t length) {
  uint8_t first = bytes[0], low = 0x80, high = 0xbf;
  if (first < 0x80) return 1;
  int need = first >= 0xc2 && first <= 0xdf ? 1 : (first & 0xf0) == 0xe0 ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
  if (need == 0) return -1;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  for (int i = 1; i <= need; i++) {
    if ((size_t)i >= length || bytes[i] < low || bytes[i] > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return need + 1;
}

CALL(call_decodeUtf8) {
  UNUSED;
  uint8_t *bytes;
  size_t length, good = 0;
  int fatal = JS_ToBool(ctx, argv[1]);
  if (fatal < 0 || !bytes_argument(ctx, argv[0], &bytes, &length)) return JS_EXCEPTION;
  for (int size; good < length && (size = character(bytes + good, length - good)) > 0;) good += (size_t)size;
  if (good == length) return JS_NewStringLen(ctx, length == 0 ? "" : (const char *)bytes, length);
  if (fatal) return JS_NULL;
  uint8_t *repaired = js_malloc(ctx, good + (length - good) * 3);
  if (repaired == NULL) return JS_EXCEPTION;
  memcpy(repaired, bytes, good);
  size_t at = good, end = good;
  while (at < length) {
    int size = character(bytes + at, length - at);
    memcpy(repaired + end, size > 0 ? bytes + at : replacement, size > 0 ? (size_t)size : 3);
    end += size > 0 ? (size_t)size : 3;
    at += (size_t)(size > 0 ? size : -size);
  }
  JSValue text = JS_NewStringLen(ctx, (const char *)repaired, end);
  js_free(ctx, repaired);
  return text;
}

static JSValue hex_string(JSContext *ctx, const uint8_t *bytes, size_t length) {
  char *text = js_malloc(ctx, length * 2 + 1);
  if (text == NULL) return JS_EXCEPTION;
  for (size_t i = 0; i < length; i++) {
    text[i * 2] = "0123456789abcdef"[bytes[i] >> 4];
    text[i * 2 + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  JSValue result = JS_NewStringLen(ctx, text, length * 2);
  js_free(ctx, text);
  return result;
}

CALL(call_hex) {
  UNUSED;
  uint8_t *bytes;
  size_t length;
  if (!bytes_argument(ctx, argv[0], &bytes, &length)) return JS_EXCEPTION;
  return hex_string(ctx, bytes, length);
}

CALL(call_sha256) {
  UNUSED;
  uint8_t *bytes;
  size_t length;
  char text[65];
  if (!bytes_argument(ctx, argv[0], &bytes, &length)) return JS_EXCEPTION;
  struct berth_sha256 sum;
  berth_sha256_start(&sum);
  berth_sha256_add(&sum, bytes, length);
  berth_sha256_hex(&sum, text);
  return JS_NewStringLen(ctx, text, 64);
}

CALL(call_randomBytes) {
  UNUSED;
  int count;
  if (!int_argument(ctx, argv[0], &count)) return JS_EXCEPTION;
  if (count < 0 || count > MAX_RANDOM)
    return JS_ThrowRangeError(ctx, __FILE__, __LINE__, "%d random bytes were asked for: at most %d are given", count, MAX_RANDOM);
  if (count == 0) return copied_bytes(ctx, "", 0);
  uint8_t *bytes = js_malloc(ctx, (size_t)count);
  for (int have = 0; bytes != NULL && have < count;) {
    ssize_t more = getrandom(bytes + have, (size_t)(count - have), 0);
    if (more > 0) have += (int)more;
  }
  return bytes == NULL ? JS_EXCEPTION : owned_bytes(ctx, bytes, (size_t)count);
}

static const JSCFunctionListEntry bytes_rows[] = {
  ROW(encodeUtf8, 1), ROW(decodeUtf8, 2), ROW(hex, 1), ROW(sha256, 1), ROW(randomBytes, 1),
};
TABLE(bytes);
