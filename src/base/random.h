/*
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
 * numbers: as easy as 1, 2, 3"). A draw is a pure function of (seed, stream, index), so any thread
 * may take any draw in any order.
 */
#ifndef PARE_BASE_RANDOM_H
#define PARE_BASE_RANDOM_H

#include <stdint.h>

/* One stream for each purpose, so that adding a draw in one place moves no other. */
typedef enum pare_stream {
    PARE_STREAM_SPLIT = 1,
    PARE_STREAM_WEIGHTS,
    PARE_STREAM_SHUFFLE,
    PARE_STREAM_DROPOUT,
    PARE_STREAM_METHOD,
    PARE_STREAM_COMPARE,
    PARE_STREAM_PREFIX,
    PARE_STREAM_TEST,
    PARE_STREAM_HALVES,    /* stability selection */
    PARE_STREAM_KNOCKOFFS, /* copies of columns */
    PARE_STREAM_PROMISE,   /* rows held out for promises */
    PARE_STREAM_TABLE,     /* embedding rows */
    PARE_STREAM_CROSS      /* cross networks */
} pare_stream;

/* The raw function: 4 words from counter[4] and key[2]. */
void pare_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* 64 random bits. */
uint64_t pare_random_bits(uint64_t seed, uint64_t stream, uint64_t index);
/* Uniform in [0, 1) with 53 bits. */
double pare_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
/* Standard normal (Box-Muller). */
double pare_random_normal(uint64_t seed, uint64_t stream, uint64_t index);
/* Uniform in 0 .. bound - 1, bound >= 1 (Lemire's multiplication; bias below bound / 2^64). */
int64_t pare_random_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t bound);
/* Shuffles items[count] in place (Fisher-Yates), using draws first .. first + count of stream. */
void pare_random_shuffle(uint64_t seed, uint64_t stream, uint64_t first, int64_t count,
                         int64_t *items);

#endif
