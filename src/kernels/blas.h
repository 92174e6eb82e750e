/* Dense products and factorisations through BLAS and LAPACK, single-threaded from our pool. */
#ifndef PARE_KERNELS_BLAS_H
#define PARE_KERNELS_BLAS_H

#include "base/context.h"

/*
 * C = alpha op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n), C is (m, n);
 * lda, ldb, ldc are the row strides of the arrays as stored. The arguments must fit an int each
 * (2^31 - 1): callers cut larger work into blocks. Reference: BLAS sgemm, dgemm.
 */
void pare_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc);
void pare_gemm_double(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                      double alpha, const double *a, int64_t lda, const double *b, int64_t ldb,
                      double beta, double *c, int64_t ldc);

/* C = A' A, the lower triangle: A (k, n) and C (n, n) row-major. Half the work of pare_gemm.
 * Reference: BLAS ssyrk. */
void pare_own_products(int64_t n, int64_t k, const float *a, int64_t lda, float *c, int64_t ldc);

/*
 * Cholesky factor in place: a (n, n) row-major symmetric, lower triangle read; on success the
 * lower triangle holds L with A = L L'. Returns 0, or the 1-based order of the leading minor that
 * is not positive definite.
 */
int64_t pare_cholesky(int64_t n, double *a, int64_t lda);
/* The lower triangle of the inverse of A in place of its factor; n^3 2 / 3. */
void pare_cholesky_invert(int64_t n, double *l, int64_t ldl);
/* Solves A X = B given the factor; b: (n, m) row-major, overwritten by X. */
void pare_cholesky_solve(int64_t n, int64_t m, const double *l, int64_t ldl, double *b,
                         int64_t ldb);

/* In place, X L' = B for rows B (m, n), L (n, n) row-major lower: each row becomes L^-1 row. */
void pare_rows_solve(int64_t m, int64_t n, const float *l, int64_t ldl, float *b, int64_t ldb);
/* One vector in place: L x = b, or L' x = b where transposed. */
void pare_triangle_solve(bool transpose, int64_t n, const double *l, int64_t ldl, double *x);

/*
 * A = Q T Q' with T tridiagonal (LAPACK dsytrd): a (n, n) symmetric is overwritten by the
 * reflectors of Q; diagonal (n), off (n), tau (n), work (64 n). Cost: 4 n^3 / 3.
 */
void pare_tridiagonal(int64_t n, double *a, double *diagonal, double *off, double *tau,
                      double *work);
/* Vectors (m, n), one after the other, become Q' times themselves; a and tau from
 * pare_tridiagonal; work (64 m). */
void pare_tridiagonal_turn(int64_t n, const double *a, const double *tau, int64_t m,
                           double *vectors, double *work);

/*
 * Eigenvalues, ascending, and eigenvectors of a symmetric tridiagonal matrix (LAPACK dsteqr):
 * diagonal (n) is overwritten by the values, off (n - 1) destroyed; vectors (n, n): row i belongs
 * to value i; work (2 n). Returns 0, or how many off-diagonals did not vanish.
 */
int64_t pare_tridiagonal_eigen(int64_t n, double *diagonal, double *off, double *vectors,
                               double *work);

/* Must be called once before other work: makes the BLAS library single-threaded. */
void pare_blas_prepare(void);
/* Name and version of the BLAS library in use. */
const char *pare_blas_name(void);

#endif
