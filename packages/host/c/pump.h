// How a step that moves bytes has ended. pump.ts has the same list.
#ifndef BERTH_PUMP_H
#define BERTH_PUMP_H

// WAIT: the target takes no more until its owner has made room. NO_SPLICE never leaves C.
enum state { MORE, EMPTY, FULL, END, SOURCE_ERROR, TARGET_ERROR, WAIT, NO_SPLICE };

// The array for a step's outcome: at least 4 numbers. False: an exception is pending.
bool result_argument(JSContext *ctx, JSValueConst value, int32_t **result);
// Bytes that lie in a pipe or terminal; 0 where that is not known.
int bytes_waiting(int fd);

#endif
