// The program's bytecode, from a file that the build writes: the main part, then its units.
#ifndef BERTH_PROGRAM_H
#define BERTH_PROGRAM_H

#include <stdint.h>

struct bytecode {
  const uint8_t *start, *end;
};
extern const struct bytecode program[];
extern const int program_count;

#endif
