// Writes so many bytes of a known pattern to stdout and to stderr, in pieces of a given size, and exits at once.
#include <stdlib.h>
#include <unistd.h>

// A prime: a piece that is missing or moved shifts what follows. completeness.test.ts has the same.
#define PERIOD 65521
static char pattern[2 * PERIOD];

static size_t put(int fd, size_t at, size_t total, size_t piece) {
  if (at >= total) return 0;
  size_t count = total - at < piece ? total - at : piece, offset = at % PERIOD;
  if (count > PERIOD) count = PERIOD;
  ssize_t written = write(fd, pattern + offset, count);
  if (written <= 0) _exit(9);
  return (size_t)written;
}

int main(int argc, char **argv) {
  if (argc != 4) return 8;
  size_t out = strtoull(argv[1], NULL, 10), err = strtoull(argv[2], NULL, 10), piece = strtoull(argv[3], NULL, 10);
  unsigned state = 1;
  for (size_t i = 0; i < PERIOD; i++) {
    state = state * 1103515245u + 12345u;
    pattern[i] = pattern[i + PERIOD] = (char)('a' + (state >> 16) % 26);
  }
  for (size_t a = 0, b = 0; a < out || b < err;) {
    a += put(1, a, out, piece);
    b += put(2, b, err, piece);
  }
  _exit(0);
}
