#include "kernels/blas.h"

#include <cblas.h>

/* LAPACK's Fortran entry; the last argument is the length of the text argument. */
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info,
                    size_t uplo_length);

static CBLAS_TRANSPOSE transposed(bool yes) {
    return yes ? CblasTrans : CblasNoTrans;
}

void pare_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc) {
    if (m == 0 || n == 0) {
        return;
    }
    cblas_sgemm(CblasRowMajor, transposed(transpose_a), transposed(transpose_b), (int)m, (int)n,
                (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void pare_gemm_double(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                      double alpha, const double *a, int64_t lda, const double *b, int64_t ldb,
                      double beta, double *c, int64_t ldc) {
    if (m == 0 || n == 0) {
        return;
    }
    cblas_dgemm(CblasRowMajor, transposed(transpose_a), transposed(transpose_b), (int)m, (int)n,
                (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

int64_t pare_cholesky(int64_t n, double *a, int64_t lda) {
    /* A row-major lower triangle is a column-major upper one. */
    const int order = (int)n, stride = (int)lda;
    int info = 0;
    if (n > 0) {
        dpotrf_("U", &order, a, &stride, &info, 1);
    }
    return info;
}

void pare_cholesky_solve(int64_t n, int64_t m, const double *l, int64_t ldl, double *b,
                         int64_t ldb) {
    if (n == 0 || m == 0) {
        return;
    }
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, (int)m,
                1.0, l, (int)ldl, b, (int)ldb);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (int)n, (int)m, 1.0,
                l, (int)ldl, b, (int)ldb);
}

void pare_blas_prepare(void) {
    openblas_set_num_threads(1);
}

const char *pare_blas_name(void) {
    return openblas_get_config();
}
