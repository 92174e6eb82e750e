/* XXH64 (Yann Collet, "xxHash fast digest algorithm", specification 0.1.1): a checksum of 64 bits
 * that reads memory about as fast as it comes. */
#ifndef PARE_BASE_XXH64_H
#define PARE_BASE_XXH64_H

#include <stdint.h>

uint64_t pare_xxh64(const void *bytes, int64_t length, uint64_t seed);

#endif
