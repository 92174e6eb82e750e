# Cross-validated R2 of cv.glmnet (lasso) on a PLINK data set, as a peer of `pare genome --folds`.
# Rscript genome_glmnet.R STEM.raw PHENO COLUMN REPEATS: STEM.raw from `plink2 --export A`,
# PHENO without a header, rows in the order of .fam.
library(glmnet)
arguments <- commandArgs(TRUE)
raw <- read.table(arguments[1], header = TRUE, check.names = FALSE)
y <- read.table(arguments[2])[[as.integer(arguments[3])]]
x <- as.matrix(raw[, -(1:6)])
x <- x[!is.na(y), ]
y <- y[!is.na(y)]
for (j in seq_len(ncol(x))) x[is.na(x[, j]), j] <- mean(x[, j], na.rm = TRUE)
x <- x[, apply(x, 2, var) > 0]
for (repeat_number in seq_len(as.integer(arguments[4]))) {
  set.seed(repeat_number)
  fold <- sample(rep(1:5, length.out = length(y)))
  miss <- total <- count <- 0
  for (held in 1:5) {
    fit <- cv.glmnet(x[fold != held, ], y[fold != held], nfolds = 5)
    guess <- predict(fit, x[fold == held, ], s = "lambda.min")
    miss <- miss + sum((y[fold == held] - guess)^2)
    total <- total + sum((y[fold == held] - mean(y[fold != held]))^2)
    count <- count + sum(coef(fit, s = "lambda.min") != 0) / 5
  }
  cat(sprintf("repeat %d: R2 %.4f, %.0f variants, CPU %.0f s\n", repeat_number, 1 - miss / total, count,
              sum(proc.time()[1:2])))
}
