#include "kernels/blas.h"

#include <cblas.h>

/* LAPACK's Fortran entry; the last argument is the length of the text argument. */
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info,
                    size_t uplo_length);

extern void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info,
                    size_t uplo_length);
extern void dsytrd_(const char *uplo, const int *n, double *a, const int *lda, double *d, double *e,
                    double *tau, double *work, const int *lwork, int *info, size_t uplo_length);
extern void dormtr_(const char *side, const char *uplo, const char *trans, const int *m,
                    const int *n, const double *a, const int *lda, const double *tau, double *c,
                    const int *ldc, double *work, const int *lwork, int *info, size_t side_length,
                    size_t uplo_length, size_t trans_length);

extern void dsteqr_(const char *compz, const int *n, double *d, double *e, double *z,
                    const int *ldz, double *work, int *info, size_t compz_length);

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

void pare_own_products(int64_t n, int64_t k, const float *a, int64_t lda, float *c, int64_t ldc) {
    if (n > 0) {
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (int)n, (int)k, 1, a, (int)lda, 0, c,
                    (int)ldc);
    }
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

void pare_cholesky_invert(int64_t n, double *l, int64_t ldl) {
    const int order = (int)n, stride = (int)ldl;
    int info = 0;
    if (n > 0) {
        dpotri_("U", &order, l, &stride, &info, 1);
    }
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

void pare_rows_solve(int64_t m, int64_t n, const float *l, int64_t ldl, float *b, int64_t ldb) {
    if (m > 0 && n > 0) {
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)m, (int)n,
                    1.0F, l, (int)ldl, b, (int)ldb);
    }
}

void pare_triangle_solve(bool transpose, int64_t n, const double *l, int64_t ldl, double *x) {
    if (n > 0) {
        cblas_dtrsv(CblasRowMajor, CblasLower, transposed(transpose), CblasNonUnit, (int)n, l,
                    (int)ldl, x, 1);
    }
}

void pare_tridiagonal(int64_t n, double *a, double *diagonal, double *off, double *tau,
                      double *work) {
    const int order = (int)n, size = 64 * order;
    int info = 0;
    if (n > 0) {
        dsytrd_("L", &order, a, &order, diagonal, off, tau, work, &size, &info, 1);
    }
}

void pare_tridiagonal_turn(int64_t n, const double *a, const double *tau, int64_t m,
                           double *vectors, double *work) {
    const int order = (int)n, count = (int)m, size = 64 * count;
    int info = 0;
    if (n > 0 && m > 0) {
        dormtr_("L", "L", "T", &order, &count, a, &order, tau, vectors, &order, work, &size, &info,
                1, 1, 1);
    }
}

int64_t pare_tridiagonal_eigen(int64_t n, double *diagonal, double *off, double *vectors,
                               double *work) {
    const int order = (int)n;
    int info = 0;
    if (n > 0) {
        dsteqr_("I", &order, diagonal, off, vectors, &order, work, &info, 1);
    }
    return info;
}

void pare_blas_prepare(void) {
    openblas_set_num_threads(1);
}

const char *pare_blas_name(void) {
    return openblas_get_config();
}
