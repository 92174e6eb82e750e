/* A pool of threads for data-parallel work cut into fixed chunks. */
#ifndef PARE_PLATFORM_THREADS_H
#define PARE_PLATFORM_THREADS_H

#include "base/context.h"

#include <pthread.h>

typedef struct pare_pool pare_pool;

/* threads: 1..256, the caller's own counts as one; 0: one per available core. */
pare_status pare_pool_create(pare_context *ctx, int64_t threads, pare_pool **out) PARE_MUST_CHECK;
void pare_pool_destroy(pare_pool *pool);

int64_t pare_pool_threads(const pare_pool *pool);

/*
 * Calls work(argument, chunk) for chunk = 0 .. chunks - 1, each once, on any thread, and returns
 * when all are done. Chunks must be cut without looking at the number of threads, and each writes
 * its own place, so that the result never depends on that number. Not re-entrant: a chunk that
 * calls it runs the inner chunks itself, one after the other. pool NULL: runs inline.
 */
void pare_pool_run(pare_pool *pool, int64_t chunks, void (*work)(void *argument, int64_t chunk),
                   void *argument);

/* Mutual exclusion of short pieces of work. */
typedef pthread_mutex_t pare_lock;
void pare_lock_init(pare_lock *lock);
void pare_lock_clear(pare_lock *lock);
void pare_lock_take(pare_lock *lock);
void pare_lock_give(pare_lock *lock);

/* Calls `fill` once in the life of the process, whoever comes first; the others wait for it.
 * once: static, initialised with PARE_ONCE_INIT. */
typedef pthread_once_t pare_once;
#define PARE_ONCE_INIT PTHREAD_ONCE_INIT
void pare_once_run(pare_once *once, void (*fill)(void));

/* Number of cores this process may use, >= 1. */
int64_t pare_core_count(void);

#endif
