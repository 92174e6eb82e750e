/*
 * The one table of options. It generates the struct below, the bounds checks, the command line,
 * --help, the Python keywords and docs/options.md (scripts/options_doc.sh).
 *
 * X(section, field, name, type, default, low, high, choices, help); type: INTEGER int64_t, REAL
 * double, BOOL bool, TEXT char *, CHOICE int64_t (the index in the '|' list).
 */
#ifndef PARE_BASE_OPTIONS_H
#define PARE_BASE_OPTIONS_H

#include "base/context.h"

// clang-format off
#define PARE_OPTION_TABLE(X) \
X(data, target, "target", TEXT, "", 0, 0, "", "target column: name or 0-based index; several, separated by commas, for multi-output regression (default: the last column; libsvm: the label)") \
X(data, target_file, "target-file", TEXT, "", 0, 0, "", "file with the target, one value a row in the same order (IDX, NPY, CSV)") \
X(data, test, "test", TEXT, "", 0, 0, "", "file with test rows; never used to choose, only to score") \
X(data, test_target_file, "test-target-file", TEXT, "", 0, 0, "", "file with the target of the test rows") \
X(data, validation, "validation", REAL, "0.125", 0, 0.9, "", "share of the rows held out for validation") \
X(data, split_by, "split-by", TEXT, "", 0, 0, "", "column whose equal values stay together in the validation split (never a candidate)") \
X(data, task, "task", CHOICE, "auto", 0, 0, "auto|binary|multiclass|regression", "what the target is; auto looks at it") \
X(data, ignore, "ignore", TEXT, "", 0, 0, "", "columns to leave out, separated by commas") \
X(data, categorical, "categorical", TEXT, "", 0, 0, "", "number columns to read as categories, separated by commas (text columns always are)") \
X(data, weights, "weights", TEXT, "", 0, 0, "", "column with the weight of each row, >= 0") \
X(data, groups, "groups", TEXT, "", 0, 0, "", "file of columns chosen together: one group a line, `name: column, column, ...`") \
X(data, format, "format", CHOICE, "auto", 0, 0, "auto|csv|tsv|npy|idx|libsvm|pare|mtx|npz", "format of the input; auto looks at name and content") \
X(memory, memory, "memory", TEXT, "", 0, 0, "", "most memory to use, such as 500M or 2G: a .pare file that does not fit is read in pieces, cells of an .h5ad or .h5 go through a scratch file in TMPDIR (default: no limit)") \
X(data, header, "header", CHOICE, "auto", 0, 0, "auto|yes|no", "whether the first line of a CSV or TSV file names the columns") \
X(selection, k, "k", TEXT, "", 0, 0, "", "how many to choose: a number, or auto for the fewest within one standard error of the best validation score") \
X(selection, method, "method", CHOICE, "sequential-attention", 0, 0, "sequential-attention|omp|group-lasso|sequential-lasso|lly|magnitude|rfe|mutual-information|anova-f|random", "how to choose") \
X(selection, model, "model", CHOICE, "auto", 0, 0, "auto|linear|mlp", "model that judges the choice; auto: mlp, or linear for the methods that are exact for it") \
X(selection, replace, "replace", BOOL, "false", 0, 0, "", "let later phases exchange early choices (sequential-attention, omp)") \
X(selection, include, "include", TEXT, "", 0, 0, "", "candidates that must be chosen, separated by commas") \
X(selection, exclude, "exclude", TEXT, "", 0, 0, "", "candidates that must not be chosen, separated by commas") \
X(selection, picks, "picks-per-phase", INTEGER, "1", 1, 1000000000, "", "candidates chosen at the end of each phase") \
X(selection, surplus, "surplus", REAL, "1.5", 1, 10, "", "sequential-attention chooses this multiple of k, then drops the least useful to k; 1 switches it off") \
X(selection, time_limit, "time-limit", REAL, "0", 0, 1e9, "", "stop selecting after so many seconds and keep what is chosen; 0: no limit") \
X(training, hidden, "hidden", TEXT, "67", 0, 0, "", "hidden layer sizes of the mlp, separated by commas") \
X(training, activation, "activation", CHOICE, "relu", 0, 0, "relu|gelu", "nonlinearity of the mlp") \
X(training, normalise, "normalise", CHOICE, "none", 0, 0, "none|batch|layer", "normalisation after each hidden layer") \
X(training, dropout, "dropout", REAL, "0", 0, 0.95, "", "share of hidden units dropped while training") \
X(training, loss, "loss", CHOICE, "auto", 0, 0, "auto|squared|huber", "loss of regression; auto: squared (classes always use cross-entropy)") \
X(training, epochs, "epochs", REAL, "0", 0, 1e6, "", "passes over the training rows while selecting; 0: by the size of the data") \
X(training, batch, "batch", INTEGER, "0", 0, 1000000, "", "rows in a batch; 0: by the size of the data") \
X(training, learning_rate, "learning-rate", REAL, "0", 0, 10, "", "step size while selecting; 0: the measured default") \
X(training, mask_learning_rate, "mask-learning-rate", REAL, "0", 0, 10, "", "step size of the mask logits; 0: the measured default") \
X(training, warm_up, "warm-up", REAL, "-1", -1, 0.95, "", "share of the selection phase before the first choice; -1: 0.1, longer while the validation loss shows nothing learned yet") \
X(training, optimizer, "optimizer", CHOICE, "adamw", 0, 0, "adam|adamw|sgd", "optimiser of the weights") \
X(training, momentum, "momentum", REAL, "0.9", 0, 0.9999, "", "momentum of sgd") \
X(training, schedule, "schedule", CHOICE, "auto", 0, 0, "auto|constant|cosine|exponential", "learning rate over the run; auto: constant while columns are selected, cosine in prune-network") \
X(training, weight_decay, "weight-decay", REAL, "-1", -1, 10, "", "decoupled decay of adamw, l2 penalty of sgd and adam; -1: the measured default of adamw, 0 for the others") \
X(training, refit_epochs, "refit-epochs", REAL, "0", 0, 1e6, "", "passes of the models that are compared at the end; 0: by the size of the data") \
X(training, ridge, "ridge", REAL, "-1", -1, 1e6, "", "l2 penalty of the exact linear models, per row, on standardised columns; -1: 0.03 for cross-entropy, 1e-6 for squares") \
X(proof, certify, "certify", BOOL, "false", 0, 0, "", "prove how much of the best loss reduction that any so many columns can reach the chosen ones reach, with a linear model and ridge certify-ridge") \
X(proof, certify_ridge, "certify-ridge", REAL, "0.01", 0, 1e6, "", "ridge of the certified problem, per row, on standardised columns; part of what is certified") \
X(proof, certify_seconds, "certify-seconds", REAL, "60", 0, 1e9, "", "stop improving the bound after so many seconds; 0: no limit") \
X(proof, exact, "exact", BOOL, "false", 0, 0, "", "search for the best subset of a linear model with ridge certify-ridge by branch and bound, from the method's choice, until it is proved or for certify-seconds; for tables of some dozens of columns") \
X(proof, exact_nodes, "exact-nodes", INTEGER, "0", 0, 1000000000, "", "stop the search of exact after so many nodes; 0: no limit") \
X(proof, stability, "stability", INTEGER, "0", 0, 10000, "", "complementary-pairs stability selection with so many pairs of half samples, k chosen in each; 0: off") \
X(proof, stability_threshold, "stability-threshold", REAL, "0.75", 0.5, 1, "", "share of the half samples that must choose a column") \
X(proof, fdr, "fdr", REAL, "0", 0, 0.999, "", "knockoffs: choose as many as keep the expected share of false choices at this or below, in place of k; 0: off") \
X(proof, knockoffs, "knockoffs", CHOICE, "auto", 0, 0, "auto|gaussian|fixed", "how knockoff copies are made: second-order Gaussian, or fixed-X (needs more than 2 rows a column); auto: gaussian") \
X(proof, copies, "knockoff-copies", CHOICE, "mvr", 0, 0, "mvr|equicorrelated", "how unlike the originals the copies are made: minimum variance-based reconstructability, or all equally") \
X(proof, importance, "importance", CHOICE, "lasso", 0, 0, "lasso|omp|network", "what tells originals from knockoffs: lasso coefficients, order of orthogonal matching pursuit, or norms of a network's first layer") \
X(proof, tolerance, "tolerance", REAL, "0", 0, 1e6, "", "choose the fewest of k whose mean loss on rows held out for this exceeds that of all columns by at most this, with the given confidence; 0: off") \
X(proof, confidence, "confidence", REAL, "0.95", 0.5, 0.9999, "", "confidence of the promises made on held-out rows") \
X(run, seed, "seed", INTEGER, "1", 0, 9007199254740992, "", "seed of every random draw") \
X(run, threads, "threads", INTEGER, "0", 0, 256, "", "threads; 0: one per core. The answer does not depend on it") \
X(run, quiet, "quiet", BOOL, "false", 0, 0, "", "print nothing but errors") \
X(costs, costs, "costs", TEXT, "", 0, 0, "", "what columns cost: name:cost,name:cost, or a file with such pairs, one a line; others cost 1, a group what its columns cost or what is said under its name") \
X(budget, budget, "budget", TEXT, "", 0, 0, "", "pare select, certify: what the chosen may cost in all, a number (see costs); pare embed: what scoring a row may cost, bytes=64M,lines=20,flops=..,fetch_us=..,latency_us=.., or a JSON file of these, empty: no limit; pare prune: the share that may stay, params=0.75 (of the layers; the default), bytes=, flops= or latency=") \
X(embed, schema, "schema", TEXT, "", 0, 0, "", "JSON file of fields and feature-store groups (docs/embed.md); default: inferred from the file") \
X(planning, curve, "curve", BOOL, "false", 0, 0, "", "also choose by every method within an eighth, a quarter, half and all of the budget, train and score each: the report shows quality against budget") \
X(planning, host, "host", BOOL, "false", 0, 0, "", "calibrate scoring on this machine, predict and measure the latency of the plan; a budget of latency_us does so, too") \
X(embed, dimension, "dimension", INTEGER, "8", 1, 252, "", "floats of the longest vector of a field") \
X(embed, chunk, "chunk", INTEGER, "4", 1, 252, "", "floats of a chunk, the unit in which vectors are shortened") \
X(embed, minimum_count, "min-count", INTEGER, "1", 1, 1000000000, "", "training rows in which an id must occur to get a row of its own; all others share one") \
X(embed, hash_bits, "hash-bits", INTEGER, "0", 0, 30, "", "fields of more ids than 2 to this power have them hashed into so many rows, without a vocabulary; 0: none") \
X(embed, crosses, "crosses", INTEGER, "0", 0, 4096, "", "how many pairs of fields become candidates with a table of their own: the best of a screening of all pairs") \
X(embed, cross_rows, "cross-rows", INTEGER, "16384", 2, 16777216, "", "rows of the table of a cross; pairs of ids beyond that are hashed") \
X(embed, passes, "passes", INTEGER, "0", 0, 10000, "", "passes over the training rows for each model; 0: the best number on an eighth of them, at most 16") \
X(embed, rate, "rate", REAL, "0", 0, 10, "", "step size of the embedding tables; 0: the best on an eighth of the training rows, halving from the model's default") \
X(embed, l2, "l2", REAL, "-1", -1, 10, "", "l2 penalty of the embedding tables, half of it times the squares: of the whole table in every batch (dense-adam), else of the rows that a data row looks up; -1: 0.001, adagrad 0.01, adam 0.03, dense-adam 0.0003") \
X(embed, by_time, "by-time", BOOL, "false", 0, 0, "", "rows are in the order of time: the last of them are held out, and the last of the others tune and judge, in place of rows drawn at random") \
X(planned, plan, "plan", TEXT, "", 0, 0, "", "plan.json of pare embed: train what it keeps (default: every field)") \
X(continual, state, "state", TEXT, "", 0, 0, "", "write what later files need to go on from this plan to this file") \
X(continual, continue_from, "continue", TEXT, "", 0, 0, "", "go on from this state with the rows of a later file: score them, change the plan where that pays, learn from them; the state is replaced, or written to --state") \
X(continual, accept, "accept", BOOL, "false", 0, 0, "", "with continue: learn even from a file that lacks more than half of the kept fields, or whose labels are all the same where the model gives that a probability below 1e-6") \
X(continual, model_out, "model-out", TEXT, "", 0, 0, "", "also write the model that was learned, the plan's, to this folder, as pare train does: pare score reads it") \
X(continual, switch_cost, "switch-cost", REAL, "0.0001", 0, 1e6, "", "nats a row that the lower confidence bound of a change's gain must exceed") \
X(continual, audit, "audit", BOOL, "false", 0, 0, "", "with continue: also choose anew from this file alone, and take that choice if it is better by the switching cost") \
X(embedding, embed_model, "embed-model", CHOICE, "fm", 0, 0, "lr|fm|deepfm|dnn|dcnv2", "model of pare embed: logistic regression, factorisation machine, DeepFM, a network alone, DCNv2") \
X(embedding, embed_optimizer, "embed-optimizer", CHOICE, "row-adagrad", 0, 0, "row-adagrad|adagrad|adam|dense-adam", "how the embedding tables of pare embed learn: AdaGrad with a sum a row or a float, Adam on the rows of a batch or on the whole table") \
X(embedding, embed_method, "embed-method", CHOICE, "sequential-attention", 0, 0, "sequential-attention|frequency|mutual-information|magnitude|sseds|uniform|random|permutation|shark|group-lasso", "how pare embed ranks fields and chunks") \
X(embedding, embed_format, "embed-format", CHOICE, "auto", 0, 0, "auto|csv|tsv|libffm|libfm|criteo", "format of the rows of pare embed") \
X(output, out, "out", TEXT, "", 0, 0, "", "write the selection as JSON to this file; - is standard output") \
X(output, report, "report", TEXT, "", 0, 0, "", "write a self-contained HTML report to this file") \
X(comparison, compare, "compare", BOOL, "true", 0, 0, "", "train the model on the chosen, on all and on random columns and score them") \
X(output, json, "json", BOOL, "false", 0, 0, "", "print the selection as JSON instead of a table") \
X(genotypes, bfile, "bfile", TEXT, "", 0, 0, "", "genotypes: the part of the names of .bed, .bim and .fam before the ending") \
X(genotypes, vcf, "vcf", TEXT, "", 0, 0, "", "genotypes: a .vcf, .vcf.gz or .bcf file (GT, else DS), in place of bfile") \
X(genotypes, bgen, "bgen", TEXT, "", 0, 0, "", "genotypes: a .bgen file of layout 2, in place of bfile") \
X(genotypes, sample, "sample", TEXT, "", 0, 0, "", "Oxford .sample file with the ids of the samples of bgen (default: those in the file)") \
X(genotypes, hard_call, "hard-call", REAL, "0.1", 0, 0.5, "", "dosages (DS, BGEN) further than this from a whole number are missing calls") \
X(genotypes, keep, "keep", TEXT, "", 0, 0, "", "file of the samples to use, one id a line") \
X(genotypes, remove, "remove", TEXT, "", 0, 0, "", "file of samples to leave out") \
X(polygenic, ambiguous, "ambiguous", CHOICE, "keep", 0, 0, "keep|drop", "variants whose alleles are A and T, or C and G, so that names do not tell the strand: take them by name, or leave them out") \
X(genome, pheno, "pheno", TEXT, "", 0, 0, "", "file of traits, PLINK text or CSV (default: sixth column of .fam)") \
X(genome, trait, "trait", TEXT, "all", 0, 0, "", "traits, separated by commas; all: every column of numbers that is no covariate") \
X(genome, traits, "traits", TEXT, "", 0, 0, "", "the same as trait") \
X(genome, covar, "covar", TEXT, "", 0, 0, "", "covariates, separated by commas: in every model, never chosen; sex may be that of .fam (default: all columns of covar-file)") \
X(genome, covar_file, "covar-file", TEXT, "", 0, 0, "", "file of the covariates (default: the file of traits)") \
X(genome, extract, "extract", TEXT, "", 0, 0, "", "file of the variants to use, one id a line") \
X(genome, maf, "maf", REAL, "0.01", 0, 0.5, "", "least frequency of the rarer allele") \
X(genome, geno, "geno", REAL, "0.1", 0, 1, "", "largest share of missing calls of a variant") \
X(genome, hwe, "hwe", REAL, "0", 0, 1, "", "least p of the exact test of Hardy-Weinberg equilibrium; 0: no test") \
X(genome, stop, "stop", CHOICE, "ebic", 0, 0, "ebic|cv|permutation|knockoff", "what ends the choice: extended BIC, error of inner cross-validation, the largest statistic among permuted residuals, or knockoff copies at false discovery rate fdr (unrelated samples only)") \
X(genome, gamma, "gamma", REAL, "0", 0, 2, "", "price of a pick in extended BIC, log n + 2 gamma log p; 0: 0.75, or more where variants are so many that false picks would exceed one in 20 traits without a signal") \
X(genome, max_picks, "max-picks", INTEGER, "30", 1, 500, "", "most variants chosen for a trait") \
X(genome, force, "force", TEXT, "", 0, 0, "", "variants chosen first, separated by commas") \
X(genome, forbid, "forbid", TEXT, "", 0, 0, "", "variants never chosen, separated by commas") \
X(genome, prior, "prior", TEXT, "", 0, 0, "", "file of prior weights, `ID weight` a line: how much more likely than others variants are to matter (stop ebic and cv)") \
X(genome, background, "background", BOOL, "true", 0, 0, "", "model what many small effects and relatives share as a random effect (relationship matrix, REML)") \
X(genome, loco, "loco", BOOL, "false", 0, 0, "", "leave one chromosome out: a variant is tested beside the background of the other chromosomes only (stop ebic)") \
X(genome, joint, "joint", BOOL, "false", 0, 0, "", "choose variants for all traits together, on the samples that have all of them (stop ebic)") \
X(genome, relationship, "relationship", CHOICE, "auto", 0, 0, "auto|matrix|products", "how the background is computed: from the relationship matrix, or, without ever building it, by products with the packed genotypes of background-variants (Lanczos); auto: the matrix up to 12,000 samples") \
X(genome, background_variants, "background-variants", INTEGER, "20000", 100, 100000000, "", "variants, evenly spaced among those that pass, that the background is made of under relationship products") \
X(genome, alpha, "alpha", REAL, "0.05", 1e-6, 0.5, "", "level of stop permutation") \
X(genome, permutations, "permutations", INTEGER, "199", 19, 100000, "", "permutations of stop permutation") \
X(genome, folds, "folds", INTEGER, "0", 0, 100, "", "folds of the cross-validation that scores the whole analysis; 0: none") \
X(genome, repeats, "repeats", INTEGER, "1", 1, 1000, "", "times the cross-validation is repeated with other folds") \
X(genome, scan, "scan", BOOL, "false", 0, 0, "", "write effect and p of every variant taken alone") \
X(text, text, "text", TEXT, "", 0, 0, "", "file of plain text: to calibrate on, or to score") \
X(text, context, "context", INTEGER, "0", 0, 1048576, "", "tokens in a window; 0: what the model was made for, at most 512") \
X(tokens, tokenizer, "tokenizer", TEXT, "", 0, 0, "", "tokenizer.model, tokenizer.json or llama2.c tokenizer (default: the one of the model)") \
X(scoring, stride, "stride", INTEGER, "0", 0, 1048576, "", "tokens between the starts of two windows, of which only new ones are scored; 0: the whole window") \
X(scoring, windows, "windows", INTEGER, "0", 0, 1000000000, "", "at most so many windows; 0: all") \
X(scoring, protocol, "protocol", CHOICE, "windows", 0, 0, "windows|llama.cpp", "windows: every token but a window's first is scored once; llama.cpp: windows begin with the begin token and their second half is scored") \
X(pruning, structure, "structure", TEXT, "attention,mlp,heads,ffn", 0, 0, "", "what may go: heads (key/value heads with their query heads), query-heads (as many of every key/value head of a layer), ffn (channels), attention and mlp (whole halves of layers), layers, hidden (dimensions), vocabulary (tokens that the text never uses, besides the budget or without one); or blocks alone: blocks of the weights, by options block and sparsity instead of budget") \
X(pruning, criterion, "criterion", CHOICE, "reconstruction", 0, 0, "reconstruction|sequential-attention|perplexity|block-influence|taylor|activation|fluctuation|magnitude|random", "how candidates are ranked") \
X(pruning, uniform, "uniform", BOOL, "false", 0, 0, "", "the same shape for every layer") \
X(pruning, round, "round", INTEGER, "1", 1, 65536, "", "feed-forward channels stay a multiple of this") \
X(pruning, compensate, "compensate", BOOL, "true", 0, 0, "", "solve for new matrices that make up for what went") \
X(pruning, calibration, "calibration", INTEGER, "128", 1, 1000000, "", "windows of the text to calibrate on") \
X(pruning, probe, "probe", INTEGER, "16", 1, 1000000, "", "windows on which the loss without each structure is measured") \
X(pruning, mask_steps, "mask-steps", INTEGER, "0", 0, 1000000, "", "training steps of the mask of sequential-attention, a window each; 0: as many as cost 1/30 of an epoch of fine-tuning on 1,000 samples of 512 tokens") \
X(pruning, rehearse, "rehearse", BOOL, "false", 0, 0, "", "hold everything as in the whole run but walk one batch of windows and two steps of the mask; say what memory it took, write nothing") \
X(pruning, recover, "recover", TEXT, "", 0, 0, "", "train what is left for so many tokens of the text on the dense model's predictions: 1M-tokens, 500k, 200000") \
X(blocks, block, "block", TEXT, "32", 0, 0, "", "size of a block of weights: a number, or INPUTSxOUTPUTS") \
X(blocks, sparsity, "sparsity", REAL, "0.9", 0.01, 0.999, "", "share of the blocks of a matrix that go") \
X(sparsify, block_method, "block-method", CHOICE, "sequential-attention", 0, 0, "sequential-attention|magnitude|powerpropagation|acdc|random|none", "how blocks are chosen: SequentialAttention++, gradual magnitude, the same on powers of the weights, sparse and dense phases in turn, by chance, or not at all") \
X(sparsify, matrices, "matrices", CHOICE, "first", 0, 0, "first|all", "which weight matrices give up blocks: the first, or all that have at least 100") \
X(sparsify, phases, "phases", INTEGER, "0", 0, 1000, "", "sparse-dense phases of sequential-attention and acdc; 0: as many as leave 200 steps to each, at most 10") \
X(sparsify, dense_share, "dense-share", REAL, "0.1", 0, 0.95, "", "share of the training before blocks begin to go") \
X(sparsify, sparse_share, "sparse-share", REAL, "0.6", 0, 0.95, "", "share of the training after the last has gone") \
X(sparsify, redundancy, "redundancy", REAL, "0.5", 0, 10, "", "how far blocks that read the same inputs do each other's work: of these the r-th counts its attention / r^REAL (sequential-attention); 0: as published") \
X(sparsify, logit_decay, "logit-decay", REAL, "-1", -1, 100, "", "weight decay of the mask logits; -1: the measured default") \
X(sparsify, network, "network", TEXT, "", 0, 0, "", "write the trained network to this .npz file") \
X(export, gguf, "gguf", BOOL, "false", 0, 0, "", "write model.gguf too") \
X(export, dtype, "dtype", CHOICE, "model", 0, 0, "model|f32|f16|bf16", "number format of the written matrices; model: that of the model, q8_0 becomes f16") \
X(replace, overwrite, "overwrite", BOOL, "false", 0, 0, "", "replace the output folder if it exists") \
X(generation, prompt, "prompt", TEXT, "", 0, 0, "", "text to go on from") \
X(generation, generate, "generate", INTEGER, "64", 1, 1048576, "", "tokens to generate") \
X(latency, prompt_tokens, "prompt-tokens", INTEGER, "128", 1, 1048576, "", "length of the prompt when latency is measured") \
X(latency, sequences, "sequences", INTEGER, "1", 1, 1024, "", "sequences generated at a time when latency is measured") \
X(generation, temperature, "temperature", REAL, "0", 0, 100, "", "0: always the most likely token; else tokens are drawn") \
X(panel, label, "label", TEXT, "", 0, 0, "", "what the genes must tell apart: a column of obs, or a file of labels in the order of the cells (FILE or FILE:COLUMN)") \
X(panel, batch_key, "batch-key", TEXT, "", 0, 0, "", "what the cells' batches are told by, as label: means are taken out within batches, a gene must mark its type in every batch, and whole batches are held out to score") \
X(panel, have, "have", TEXT, "", 0, 0, "", "file of genes that are in the panel already, one a line") \
X(panel, add, "add", INTEGER, "0", 0, 1000000, "", "how many genes to add to those of have (instead of -k, the size of the panel)") \
X(panel, avoid, "avoid", TEXT, "", 0, 0, "", "file of genes never chosen") \
X(panel, min_per_type, "min-per-type", INTEGER, "0", 0, 1000, "", "least number of genes whose mean is highest in a type, for every type") \
X(panel, balanced, "balanced", BOOL, "true", 0, 0, "", "give every type the same weight, small ones at most four times that of a cell of an average one") \
X(panel, score_folds, "score-folds", INTEGER, "5", 0, 100, "", "folds of the cross-validation that scores the panel beside two baselines; 0: none") \
X(panel, pursuit, "selector", CHOICE, "auto", 0, 0, "auto|squares|softmax|network", "how genes are chosen: by least squares of the types, by what a softmax regression still gets wrong, by a network (Sequential Attention), or the better of the first two in five folds where at most 4 genes a type of at most 20,000 cells are wanted, else least squares; beyond 4 genes a type least squares give two a type and markers follow") \
X(panel, reconstruct, "reconstruct", REAL, "0", 0, 1, "", "share of the aim that is to reconstruct all genes; the rest is to tell the types apart") \
X(panel, min_mean, "min-mean", REAL, "0", 0, 1000, "", "least mean logarithm of a gene that may be chosen") \
X(panel, max_mean, "max-mean", REAL, "0", 0, 1000, "", "largest mean logarithm of a gene that may be chosen; 0: no bound") \
X(chem, smiles, "smiles", TEXT, "", 0, 0, "", "column of the molecules, as SMILES (default: the one called smiles)") \
X(chem, fingerprints, "fingerprints", TEXT, "", 0, 0, "", "table with one row a molecule to choose columns from, in place of substructures and descriptors (npz, libsvm, CSV, npy)") \
X(chem, radius, "radius", INTEGER, "2", 0, 8, "", "largest substructures: atoms at most so many bonds from one") \
X(chem, descriptors, "descriptors", BOOL, "true", 0, 0, "", "choose among descriptors too: logP, polar surface, weight, rings and the like") \
X(chem, chem_split, "split", CHOICE, "scaffold", 0, 0, "scaffold|random", "molecules held out to score: of scaffolds that no other molecule has, rare ones first, or any") \
X(chem, held_out, "held-out", REAL, "0.2", 0, 0.9, "", "share of the molecules held out to score; 0: none") \
X(chem, resamples, "resamples", INTEGER, "100", 0, 10000, "", "resamples of the molecules that errors and stability are told from; 0: none") \
X(chem, toolkit, "toolkit", TEXT, "", 0, 0, "", "shared object that reads molecules (default: libpare_chemistry.so beside the program or installed)")
// clang-format on

typedef int64_t pare_field_INTEGER;
typedef double pare_field_REAL;
typedef bool pare_field_BOOL;
typedef char *pare_field_TEXT;
typedef int64_t pare_field_CHOICE;

/* The values of one run. TEXT fields are never NULL after init. */
typedef struct pare_options {
    pare_context *ctx;
#define PARE_OPTION_FIELD(section, field, name, type, initial, low, high, choices, help)           \
    pare_field_##type field;
    PARE_OPTION_TABLE(PARE_OPTION_FIELD)
#undef PARE_OPTION_FIELD
} pare_options;

/* Indices of the CHOICE lists above, in the same order. */
enum { PARE_TASK_AUTO, PARE_TASK_BINARY, PARE_TASK_MULTICLASS, PARE_TASK_REGRESSION };
enum {
    PARE_FORMAT_AUTO,
    PARE_FORMAT_CSV,
    PARE_FORMAT_TSV,
    PARE_FORMAT_NPY,
    PARE_FORMAT_IDX,
    PARE_FORMAT_LIBSVM,
    PARE_FORMAT_PARE,
    PARE_FORMAT_MTX,
    PARE_FORMAT_NPZ
};
enum {
    PARE_EMBED_SEQUENTIAL_ATTENTION,
    PARE_EMBED_FREQUENCY,
    PARE_EMBED_MUTUAL_INFORMATION,
    PARE_EMBED_MAGNITUDE,
    PARE_EMBED_SSEDS,
    PARE_EMBED_UNIFORM,
    PARE_EMBED_RANDOM,
    PARE_EMBED_PERMUTATION,
    PARE_EMBED_SHARK,
    PARE_EMBED_GROUP_LASSO,
    PARE_EMBED_METHODS
};
enum { PARE_HEADER_AUTO, PARE_HEADER_YES, PARE_HEADER_NO };
enum {
    PARE_METHOD_SEQUENTIAL_ATTENTION,
    PARE_METHOD_OMP,
    PARE_METHOD_GROUP_LASSO,
    PARE_METHOD_SEQUENTIAL_LASSO,
    PARE_METHOD_LLY,
    PARE_METHOD_MAGNITUDE,
    PARE_METHOD_RFE,
    PARE_METHOD_MUTUAL_INFORMATION,
    PARE_METHOD_ANOVA_F,
    PARE_METHOD_RANDOM,
    PARE_METHOD_COUNT
};
enum { PARE_MODEL_AUTO, PARE_MODEL_LINEAR, PARE_MODEL_MLP };
enum { PARE_ACTIVATION_RELU, PARE_ACTIVATION_GELU };
enum { PARE_NORMALISE_NONE, PARE_NORMALISE_BATCH, PARE_NORMALISE_LAYER };
enum { PARE_PROTOCOL_WINDOWS, PARE_PROTOCOL_LLAMA_CPP };
enum { PARE_EXPORT_F32, PARE_EXPORT_F16, PARE_EXPORT_BF16 };
enum { PARE_LOSS_AUTO, PARE_LOSS_SQUARED, PARE_LOSS_HUBER };
enum { PARE_OPTIMIZER_ADAM, PARE_OPTIMIZER_ADAMW, PARE_OPTIMIZER_SGD };
enum { PARE_KNOCKOFFS_AUTO, PARE_KNOCKOFFS_GAUSSIAN, PARE_KNOCKOFFS_FIXED };
enum { PARE_COPIES_MVR, PARE_COPIES_EQUICORRELATED };
enum { PARE_IMPORTANCE_LASSO, PARE_IMPORTANCE_OMP, PARE_IMPORTANCE_NETWORK };
enum {
    PARE_SCHEDULE_AUTO,
    PARE_SCHEDULE_CONSTANT,
    PARE_SCHEDULE_COSINE,
    PARE_SCHEDULE_EXPONENTIAL
};

enum { PARE_AMBIGUOUS_KEEP, PARE_AMBIGUOUS_DROP };
enum { PARE_PURSUIT_AUTO, PARE_PURSUIT_SQUARES, PARE_PURSUIT_SOFTMAX, PARE_PURSUIT_NETWORK };
enum { PARE_CHEM_SPLIT_SCAFFOLD, PARE_CHEM_SPLIT_RANDOM };
enum { PARE_RELATIONSHIP_AUTO, PARE_RELATIONSHIP_MATRIX, PARE_RELATIONSHIP_PRODUCTS };
enum { PARE_STOP_EBIC, PARE_STOP_CV, PARE_STOP_PERMUTATION, PARE_STOP_KNOCKOFF };
enum { PARE_MATRICES_FIRST, PARE_MATRICES_ALL };

/* Whether an option belongs to the selection of columns, so that selection.json records it. */
bool pare_option_recorded(const pare_option *option);

/* Fills in the defaults. Clear with pare_options_clear. */
pare_status pare_options_init(pare_context *ctx, pare_options *options) PARE_MUST_CHECK;
/* A deep copy; `copy` is uninitialised memory. */
pare_status pare_options_copy(const pare_options *options, pare_options *copy) PARE_MUST_CHECK;
void pare_options_clear(pare_options *options);
/* Refuses what the table does not allow, with a sentence that names option, value and range. */
pare_status pare_options_set(pare_options *options, const char *name,
                             const char *value) PARE_MUST_CHECK;
/* Appends the value of the index-th option as text to buffer[size]; for TEXT the text itself. */
const char *pare_options_get(const pare_options *options, int64_t index, char *buffer, size_t size);
/* The index of an option by name, -1 if there is none. */
int64_t pare_option_index(const char *name);
/* Name of entry `index` of a CHOICE option, copied to buffer. */
const char *pare_option_choice(const char *choices, int64_t index, char *buffer, size_t size);

/* Bytes that option memory allows, INT64_MAX if it does not say. */
pare_status pare_memory_limit(pare_context *ctx, const char *text, int64_t *out) PARE_MUST_CHECK;

#endif
