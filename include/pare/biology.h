/* Genomes, panels of genes, molecules. Part of pare/pare.h, which includes it. */
#ifndef PARE_BIOLOGY_H
#define PARE_BIOLOGY_H

#include "pare/pare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Genomes ------------------------------------------------------------------------------- */

/* Variants that influence traits: options of section "genome". */
typedef struct pare_genome pare_genome;

/* Opens the genotypes (PLINK .bed, mapped) and traits that the options name, applies the filters
 * and builds the relationship matrix. */
PARE_API PARE_MUST_CHECK pare_status pare_genome_open(pare_context *ctx, const pare_config *config,
                                                      pare_genome **out);
PARE_API int64_t pare_genome_traits(const pare_genome *genome);
/* Name of a trait, NULL past the end; valid until close. */
PARE_API const char *pare_genome_trait(const pare_genome *genome, int64_t trait);
/* Analyses the next trait. *done: true when it was the last one. */
PARE_API PARE_MUST_CHECK pare_status pare_genome_step(pare_genome *genome, bool *done);
/* What was found so far, for people; valid until the next call or close. */
PARE_API PARE_MUST_CHECK pare_status pare_genome_text(pare_genome *genome, const char **out);
/*
 * Writes stem.path.tsv (every step of every trait), stem.proxies.tsv, stem.credible.tsv,
 * stem.<trait>.weights.tsv (for `plink2 --score FILE 1 2 3 header`), with option scan
 * stem.<trait>.scan.tsv, and the card stem.json (docs/genome.md). Each appears whole or not at all.
 */
PARE_API PARE_MUST_CHECK pare_status pare_genome_save(const pare_genome *genome, const char *stem);
/* One self-contained HTML page of the traits that were analysed. */
PARE_API PARE_MUST_CHECK pare_status pare_genome_html(const pare_genome *genome, const char *path);
PARE_API void pare_genome_close(pare_genome *genome);

/* Polygenic scores of samples. */
typedef struct pare_polygenic pare_polygenic;

/*
 * Scores the samples of the genotypes that the options of section "genotypes" name by the weights
 * in the file `weights`, as pare_genome_save writes them: variants matched by id, alleles checked,
 * weights of swapped alleles turned, missing calls by the mean (docs/genome.md).
 */
PARE_API PARE_MUST_CHECK pare_status pare_polygenic_create(pare_context *ctx, const char *weights,
                                                           const pare_config *config,
                                                           pare_polygenic **out);
/* What was matched and left out, for people; valid until the next call or destroy. */
PARE_API PARE_MUST_CHECK pare_status pare_polygenic_text(pare_polygenic *scores, const char **out);
/* A row a sample, in the columns of `plink2 --score`; "-" is standard output. */
PARE_API PARE_MUST_CHECK pare_status pare_polygenic_save(const pare_polygenic *scores,
                                                         const char *path);
PARE_API void pare_polygenic_destroy(pare_polygenic *scores);

/* ---- Panels of genes ----------------------------------------------------------------------- */

/* Genes that tell cell types apart: options of section "panel", and "k". */
typedef struct pare_panel pare_panel;

/* Opens AnnData .h5ad, 10x .h5 (both where the build has HDF5) or a MEX folder or .mtx. */
PARE_API PARE_MUST_CHECK pare_status pare_panel_open(pare_context *ctx, const char *path,
                                                     const pare_config *config, pare_panel **out);
/* Chooses, and scores by cross-validation beside highly variable genes and t-test markers. */
PARE_API PARE_MUST_CHECK pare_status pare_panel_run(pare_panel *panel);
PARE_API int64_t pare_panel_count(const pare_panel *panel);
/* Name of the rank-th gene (0-based), NULL past the end; valid until close. */
PARE_API const char *pare_panel_gene_name(const pare_panel *panel, int64_t rank);
PARE_API PARE_MUST_CHECK pare_status pare_panel_text(pare_panel *panel, const char **out);
/* stem.genes.tsv and stem.json; each appears whole or not at all. */
PARE_API PARE_MUST_CHECK pare_status pare_panel_save(const pare_panel *panel, const char *stem);
/* One self-contained HTML page. */
PARE_API PARE_MUST_CHECK pare_status pare_panel_html(const pare_panel *panel, const char *path);
PARE_API void pare_panel_close(pare_panel *panel);

/* ---- Chemistry ------------------------------------------------------------------------------ */

/* Substructures and descriptors that tell a property of molecules: options of section "chem",
 * "target", "task" and "k". */
typedef struct pare_chem pare_chem;

/* Reads CSV, TSV, .smi or .sdf (gz too). Structures need the toolkit of plugins/rdkit; with option
 * "fingerprints" nothing but the target is read from the file. */
PARE_API PARE_MUST_CHECK pare_status pare_chem_open(pare_context *ctx, const char *path,
                                                    const pare_config *config, pare_chem **out);
/* Chooses on all molecules, tells errors from resamples, and scores the same procedure on molecules
 * held out. */
PARE_API PARE_MUST_CHECK pare_status pare_chem_run(pare_chem *chem);
PARE_API int64_t pare_chem_count(const pare_chem *chem);
/* SMILES of the rank-th substructure (0-based), or name of the descriptor; NULL past the end. */
PARE_API const char *pare_chem_name(const pare_chem *chem, int64_t rank);
/* Valid until the next call or close. */
PARE_API PARE_MUST_CHECK pare_status pare_chem_text(pare_chem *chem, const char **out);
/* stem.features.tsv, stem.molecules.tsv, stem.atoms.tsv, stem.skipped.tsv and stem.json; each
 * appears whole or not at all. */
PARE_API PARE_MUST_CHECK pare_status pare_chem_save(const pare_chem *chem, const char *stem);
/* One HTML page with drawings. */
PARE_API PARE_MUST_CHECK pare_status pare_chem_html(const pare_chem *chem, const char *path);
PARE_API void pare_chem_close(pare_chem *chem);

#ifdef __cplusplus
}
#endif
#endif
