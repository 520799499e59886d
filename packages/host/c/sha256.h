#ifndef BERTH_SHA256_H
#define BERTH_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct berth_sha256 {
  uint32_t state[8];
  uint64_t total;
  uint8_t rest[64];
};

void berth_sha256_start(struct berth_sha256 *);
void berth_sha256_add(struct berth_sha256 *, const void *, size_t);
/** The digest of what was added so far; more can be added afterwards. */
void berth_sha256_hex(const struct berth_sha256 *, char hex[65]);

#endif
