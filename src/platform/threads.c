/* sched_getaffinity and the CPU_* macros are GNU extensions of the C library. */
#define _GNU_SOURCE
#include "platform/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { POOL_THREADS_MAX = 256 };

struct pare_pool {
    pare_context *ctx;
    int64_t threads; /* workers + the caller */
    int64_t workers; /* started */
    pthread_t *worker;
    pthread_mutex_t mutex;
    pthread_cond_t start;
    pthread_cond_t finish;
    bool started; /* the workers, at the first run that can use them */
    bool stop;
    uint64_t generation; /* counts runs; a worker waits for the next one */
    int64_t active;      /* workers inside the current run */
    bool running;
    void (*work)(void *, int64_t);
    void *argument;
    int64_t chunks;
    atomic_llong next;
};

int64_t pare_core_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

static void drain(pare_pool *pool) {
    for (;;) {
        int64_t chunk = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (chunk >= pool->chunks) {
            return;
        }
        pool->work(pool->argument, chunk);
    }
}

static void *worker_main(void *argument) {
    pare_pool *pool = argument;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (!pool->stop && pool->generation == seen) {
            pthread_cond_wait(&pool->start, &pool->mutex);
        }
        if (pool->stop) {
            break;
        }
        seen = pool->generation;
        if (!pool->running) {
            continue; /* woke after the run was over */
        }
        pool->active++;
        pthread_mutex_unlock(&pool->mutex);
        drain(pool);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->active == 0) {
            pthread_cond_signal(&pool->finish);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* The threads start with the first work there is for several: a short call does without them. */
static void start_workers(pare_pool *pool) {
    pool->started = true;
    for (int64_t i = 0; i < pool->threads - 1; i++) {
        if (pthread_create(&pool->worker[i], NULL, worker_main, pool) != 0) {
            break; /* fewer threads give the same answer */
        }
        pool->workers++;
    }
}

pare_status pare_pool_create(pare_context *ctx, int64_t threads, pare_pool **out) {
    *out = NULL;
    threads = threads > 0 ? threads : pare_core_count();
    threads = threads > POOL_THREADS_MAX ? POOL_THREADS_MAX : threads;
    pare_pool *pool = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *pool, &pool);
    if (status != PARE_OK) {
        return status;
    }
    pool->ctx = ctx;
    pool->threads = threads;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finish, NULL);
    status = pare_alloc_zero(ctx, threads, sizeof *pool->worker, &pool->worker);
    if (status != PARE_OK) {
        goto fail;
    }
    *out = pool;
    return PARE_OK;
fail:
    pare_pool_destroy(pool);
    return status;
}

void pare_pool_destroy(pare_pool *pool) {
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->mutex);
    for (int64_t i = 0; i < pool->workers; i++) {
        pthread_join(pool->worker[i], NULL);
    }
    pthread_cond_destroy(&pool->finish);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->mutex);
    pare_free(pool->ctx, pool->worker);
    pare_free(pool->ctx, pool);
}

int64_t pare_pool_threads(const pare_pool *pool) {
    return !pool ? 1 : pool->started ? pool->workers + 1 : pool->threads;
}

void pare_pool_run(pare_pool *pool, int64_t chunks, void (*work)(void *argument, int64_t chunk),
                   void *argument) {
    if (pool && chunks > 1 && !pool->started) {
        start_workers(pool);
    }
    bool inline_run = !pool || pool->workers == 0 || chunks <= 1;
    if (!inline_run) {
        pthread_mutex_lock(&pool->mutex);
        inline_run = pool->running; /* called from inside a chunk */
        if (!inline_run) {
            pool->running = true;
            pool->work = work;
            pool->argument = argument;
            pool->chunks = chunks;
            atomic_store(&pool->next, 0);
            pool->generation++;
            pthread_cond_broadcast(&pool->start);
        }
        pthread_mutex_unlock(&pool->mutex);
    }
    if (inline_run) {
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            work(argument, chunk);
        }
        return;
    }
    drain(pool);
    pthread_mutex_lock(&pool->mutex);
    while (pool->active > 0) {
        pthread_cond_wait(&pool->finish, &pool->mutex);
    }
    pool->running = false;
    pthread_mutex_unlock(&pool->mutex);
}

void pare_once_run(pare_once *once, void (*fill)(void)) {
    (void)pthread_once(once, fill);
}

void pare_lock_init(pare_lock *lock) {
    (void)pthread_mutex_init(lock, NULL);
}

void pare_lock_clear(pare_lock *lock) {
    (void)pthread_mutex_destroy(lock);
}

void pare_lock_take(pare_lock *lock) {
    (void)pthread_mutex_lock(lock);
}

void pare_lock_give(pare_lock *lock) {
    (void)pthread_mutex_unlock(lock);
}
