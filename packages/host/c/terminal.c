// Terminals.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "host.h"

CALL(call_isTerminal) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  return JS_NewBool(ctx, isatty(fd));
}

CALL(call_terminalSize) {
  UNUSED;
  int fd;
  struct winsize size;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return failure(ctx, errno);
  return JS_NewInt64(ctx, size.ws_col + (int64_t)size.ws_row * 65536);
}

CALL(call_setTerminalSize) {
  UNUSED;
  int fd, width, height;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &width) || !int_argument(ctx, argv[2], &height))
    return JS_EXCEPTION;
  struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
  return outcome(ctx, ioctl(fd, TIOCSWINSZ, &size));
}

CALL(call_makeRaw) {
  UNUSED;
  int fd;
  struct termios before, raw;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  if (tcgetattr(fd, &before) < 0) return failure(ctx, errno);
  raw = before;
  cfmakeraw(&raw);
  if (tcsetattr(fd, TCSANOW, &raw) < 0) return failure(ctx, errno);
  return copied_bytes(ctx, &before, sizeof before);
}

CALL(call_restoreTerminal) {
  UNUSED;
  int fd;
  uint8_t *settings;
  size_t length;
  struct termios before;
  if (!int_argument(ctx, argv[0], &fd) || !bytes_argument(ctx, argv[1], &settings, &length)) return JS_EXCEPTION;
  if (length != sizeof before) return failure(ctx, EINVAL);
  memcpy(&before, settings, sizeof before);
  return outcome(ctx, tcsetattr(fd, TCSANOW, &before));
}

CALL(call_openPty) {
  UNUSED;
  int unlock = 0;
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return failure(ctx, errno);
  // TIOCGPTPEER opens the other end whatever is mounted on /dev/pts (Linux 4.13)
  int slave = ioctl(master, TIOCSPTLCK, &unlock) < 0 ? -1 : ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) {
    int error = errno;
    close(master);
    return failure(ctx, error);
  }
  return int_array(ctx, (int64_t[]){master, slave}, 2);
}

static const JSCFunctionListEntry terminal_rows[] = {
  ROW(isTerminal, 1), ROW(terminalSize, 1), ROW(setTerminalSize, 3), ROW(makeRaw, 1), ROW(restoreTerminal, 2),
  ROW(openPty, 0),
};
TABLE(terminal);
