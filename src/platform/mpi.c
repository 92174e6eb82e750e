/* The only file that calls MPI. MPI is one per process, and so is the state here. */
#include "platform/cluster.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifdef PARE_HAVE_MPI
#include <mpi.h>
#include <stdio.h>
#include <time.h>

static int rank, size = 1;
static bool started;

/* Whether a launcher started this process as one of several. */
static bool launched(void) {
    static const char *const signs[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (getenv(signs[i])) {
            return true;
        }
    }
    return false;
}

void pare_cluster_start(int64_t *out_rank, int64_t *out_size) {
    int level = 0;
    if (!started && launched() && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) == 0) {
        started = true;
        (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        (void)MPI_Comm_size(MPI_COMM_WORLD, &size);
    }
    *out_rank = rank;
    *out_size = size;
}

void pare_cluster_stop(int code) {
    if (started && code != 0) {
        /* The others may be waiting for this rank: end them. A failure that all ranks share is told
         * by rank 0, which gets the time to do so. */
        struct timespec pause = {.tv_sec = rank > 0 ? 3 : 0};
        (void)nanosleep(&pause, NULL);
        (void)MPI_Abort(MPI_COMM_WORLD, code);
    }
    if (started) {
        (void)MPI_Finalize();
        started = false;
    }
}

const char *pare_cluster_name(void) {
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    (void)MPI_Get_library_version(name, &length);
    name[strcspn(name, ",\n")] = '\0';
    return name;
}

void pare_cluster_gather(int64_t count, const double *own, double *all) {
    if (size == 1) {
        memcpy(all, own, (size_t)count * sizeof *own);
        return;
    }
    /* In pieces whose length fits an int; each rank's part stays contiguous. */
    const int64_t most = INT_MAX / 2 / size;
    for (int64_t from = 0; from < count; from += most) {
        int64_t some = count - from < most ? count - from : most;
        for (int r = 0; r < size; r++) {
            double *part = all + r * count + from;
            if (r == rank) {
                memcpy(part, own + from, (size_t)some * sizeof *own);
            }
            (void)MPI_Bcast(part, (int)some, MPI_DOUBLE, r, MPI_COMM_WORLD);
        }
    }
}

void pare_cluster_add(int64_t count, double *sum) {
    for (int64_t from = 0; size > 1 && from < count; from += INT_MAX / 2) {
        int64_t left = count - from;
        (void)MPI_Allreduce(MPI_IN_PLACE, sum + from,
                            (int)(left < INT_MAX / 2 ? left : INT_MAX / 2), MPI_DOUBLE, MPI_SUM,
                            MPI_COMM_WORLD);
    }
}

void pare_cluster_share(float *array, const int64_t *begin) {
    for (int r = 0; size > 1 && r < size; r++) {
        for (int64_t from = begin[r]; from < begin[r + 1]; from += INT_MAX / 2) {
            int64_t left = begin[r + 1] - from;
            (void)MPI_Bcast(array + from, (int)(left < INT_MAX / 2 ? left : INT_MAX / 2), MPI_FLOAT,
                            r, MPI_COMM_WORLD);
        }
    }
}

bool pare_cluster_same(uint64_t number) {
    uint64_t ends[2] = {number, ~number}, least[2] = {number, ~number};
    if (size > 1) {
        (void)MPI_Allreduce(ends, least, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    }
    return least[0] == ~least[1];
}

bool pare_cluster_decide(bool mine) {
    int yes = mine;
    if (size > 1) {
        (void)MPI_Bcast(&yes, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
    return yes != 0;
}

pare_status pare_cluster_agree(pare_context *ctx, pare_status status) {
    if (size == 1) {
        return status;
    }
    int first = status == PARE_OK ? size : rank, worst = size, code = (int)status;
    (void)MPI_Allreduce(&first, &worst, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (worst == size) {
        return PARE_OK;
    }
    char text[PARE_MESSAGE_SIZE + 32] = "";
    if (rank == worst) {
        snprintf(text, sizeof text, "rank %d: %s", rank, ctx->message);
    }
    (void)MPI_Bcast(&code, 1, MPI_INT, worst, MPI_COMM_WORLD);
    (void)MPI_Bcast(text, (int)sizeof text, MPI_CHAR, worst, MPI_COMM_WORLD);
    text[sizeof text - 1] = '\0';
    return pare_fail(ctx, (pare_status)code, "%.1000s", text);
}

int64_t pare_cluster_rank(void) {
    return rank;
}

int64_t pare_cluster_size(void) {
    return size;
}

#else

void pare_cluster_start(int64_t *out_rank, int64_t *out_size) {
    *out_rank = 0;
    *out_size = 1;
}

void pare_cluster_stop(int code) {
    (void)code;
}

const char *pare_cluster_name(void) {
    return "absent (libopenmpi-dev)";
}

void pare_cluster_gather(int64_t count, const double *own, double *all) {
    memcpy(all, own, (size_t)count * sizeof *own);
}

void pare_cluster_add(int64_t count, double *sum) {
    (void)count;
    (void)sum;
}

void pare_cluster_share(float *array, const int64_t *begin) {
    (void)array;
    (void)begin;
}

bool pare_cluster_same(uint64_t number) {
    (void)number;
    return true;
}

bool pare_cluster_decide(bool mine) {
    return mine;
}

pare_status pare_cluster_agree(pare_context *ctx, pare_status status) {
    (void)ctx;
    return status;
}

int64_t pare_cluster_rank(void) {
    return 0;
}

int64_t pare_cluster_size(void) {
    return 1;
}
#endif
