"""Tasks of the command line beside the choice of columns: recommenders, genomes, panels."""

import ctypes
import json
import os
import tempfile
from ctypes import byref, c_bool

from ._library import decode, encode, library
from ._options import BY_KEYWORD, to_config
from ._selection import Work, _temporary


def _text(work, handle, function):
    out = ctypes.c_char_p()
    work.context.check(function(handle, byref(out)))
    return decode(out.value)


class EmbeddingPlan:
    """Fields of a recommender and lengths of their vectors, within a budget.

    Attributes
    ----------
    record : dict, the plan as ``pare embed --out`` writes it (docs/embed.md)
    html : str, the report as a page
    """

    def __init__(self, text, record, html):
        self._text, self.record, self.html = text, record, html

    def __str__(self):
        return self._text

    def __repr__(self):
        return f"<pare embedding plan: {len(self.record)} members>"


def embed(path, *, model="fm", method="sequential-attention", format="auto", held_out=0.2,
          verbose=0, threads=0, **options):
    """Chooses the fields of a recommender, and the lengths of their embedding vectors, that are
    worth their cost, as ``pare embed`` does.

    Parameters
    ----------
    path : rows with a 0/1 label: csv, tsv, libffm, libfm, Criteo
    model : "lr", "fm" or "deepfm"
    method : how fields and chunks are ranked (option embed-method)
    format : "auto", "csv", "tsv", "libffm", "libfm" or "criteo"
    held_out : float, share of the rows that only score
    **options : of section "embed": budget, schema, dimension, chunk, ...; target, ignore, seed

    Returns
    -------
    EmbeddingPlan
    """
    config = to_config({**options, "embed_model": model, "embed_method": method,
                        "embed_format": format, "validation": held_out})
    with Work(config, threads, verbose) as work:
        plan = work.context.make(library.pare_embedding_destroy, library.pare_embedding_create,
                                 work.context.handle, encode(path), work.config.handle)
        files = []
        for write in (library.pare_embedding_save, library.pare_embedding_report):
            with _temporary() as file:
                work.context.check(write(plan, encode(file)))
                with open(file, encoding="utf-8") as written:
                    files.append(written.read())
        text = _text(work, plan, library.pare_embedding_text)
    if work.stop.hit:
        raise KeyboardInterrupt
    return EmbeddingPlan(text, json.loads(files[0]), files[1])


def _refuse_others(task, sections, options):
    allowed = [k for k, o in BY_KEYWORD.items() if o.section in sections]
    for keyword in options:
        if keyword not in allowed:
            raise ValueError(f"there is no option {keyword} of {task}; there are "
                             + ", ".join(allowed))


def genome(bfile, out, *, report=None, threads=0, verbose=0, **options):
    """Finds variants that influence traits, as ``pare genome`` does.

    Parameters
    ----------
    bfile : genotypes: the part of the names of .bed, .bim and .fam before the ending
    out : beginning of the names of the files that are written (docs/genome.md)
    report : path of an HTML page, or None
    **options : of section "genome": pheno, trait, covar, maf, stop, scan, ...; seed

    Returns
    -------
    dict
        The card, as in ``<out>.json``, and its text for people under "text". After Ctrl-C it holds
        the traits that were finished.
    """
    _refuse_others("genome", ("genome", "genotypes", "run"), options)
    with Work(to_config({**options, "bfile": str(bfile)}), threads, verbose) as work:
        handle = work.context.make(library.pare_genome_close, library.pare_genome_open,
                                   work.context.handle, work.config.handle)
        done = c_bool(False)
        while not done.value and not work.stop.hit:
            work.context.check(library.pare_genome_step(handle, byref(done)))
        work.context.check(library.pare_genome_save(handle, encode(out)))
        if report is not None:
            work.context.check(library.pare_genome_html(handle, encode(report)))
        text = _text(work, handle, library.pare_genome_text)
    with open(f"{out}.json", encoding="utf-8") as file:
        return {**json.load(file), "text": text}


def score(weights, bfile, out, *, threads=0, **options):
    """Polygenic scores of samples by the weights that :func:`genome` wrote, as ``pare score`` does.

    Parameters
    ----------
    weights : path, ``<out>.<trait>.weights.tsv`` of :func:`genome`
    bfile : genotypes: the part of the names of .bed, .bim and .fam before the ending
    out : path of the scores, one row a sample
    **options : of sections "genotypes" and "polygenic": keep, remove, ...

    Returns
    -------
    str, what was matched and what was left out
    """
    _refuse_others("score", ("genotypes", "polygenic", "run"), options)
    with Work(to_config({**options, "bfile": str(bfile)}), threads) as work:
        scores = work.context.make(library.pare_polygenic_destroy, library.pare_polygenic_create,
                                   work.context.handle, encode(weights), work.config.handle)
        text = _text(work, scores, library.pare_polygenic_text)
        work.context.check(library.pare_polygenic_save(scores, encode(out)))
    return text


class Panel:
    """Genes that tell cell types apart.

    Attributes
    ----------
    genes : list of str, in order of choice
    record : dict, as ``<out>.json`` of ``pare panel`` (docs/genome.md)
    table : str, ``<out>.genes.tsv``
    """

    def __init__(self, text, genes, record, table):
        self._text, self.genes, self.record, self.table = text, genes, record, table

    def __str__(self):
        return self._text

    def __repr__(self):
        return f"<pare panel: {len(self.genes)} genes: {', '.join(self.genes[:8])}" + (
            ", ...>" if len(self.genes) > 8 else ">")


def panel(path, label, k=None, *, threads=0, **options):
    """Chooses a panel of genes that tells cell types apart, as ``pare panel`` does.

    Parameters
    ----------
    path : AnnData .h5ad, 10x .h5 (both where the build has HDF5), or a MEX folder or .mtx
    label : what the genes must tell apart: a column of obs, or a file of labels (FILE or
        FILE:COLUMN)
    k : int, size of the panel; may be left out with ``add``
    **options : of section "panel": have, add, avoid, min_per_type, balanced, score_folds; seed

    Returns
    -------
    Panel
    """
    _refuse_others("panel", ("panel", "run"), options)
    with Work(to_config({**options, "label": str(label), "k": k}), threads) as work:
        handle = work.context.make(library.pare_panel_close, library.pare_panel_open,
                                   work.context.handle, encode(path), work.config.handle)
        work.context.check(library.pare_panel_run(handle))
        genes = [decode(library.pare_panel_gene_name(handle, r))
                 for r in range(library.pare_panel_count(handle))]
        with tempfile.TemporaryDirectory(prefix="pare-") as folder:
            stem = os.path.join(folder, "panel")
            work.context.check(library.pare_panel_save(handle, encode(stem)))
            with open(stem + ".json", encoding="utf-8") as file:
                record = json.load(file)
            with open(stem + ".genes.tsv", encoding="utf-8") as file:
                table = file.read()
        text = _text(work, handle, library.pare_panel_text)
    if work.stop.hit:
        raise KeyboardInterrupt
    return Panel(text, genes, record, table)


class Molecules:
    """Substructures and descriptors that tell a property of molecules.

    Attributes
    ----------
    names : list of str, SMILES of substructures and names of descriptors, in order of choice
    record : dict, as ``<out>.json`` of ``pare chem`` (docs/chem.md)
    files : dict of str, the other files of ``pare chem --out``: "features.tsv", ...
    html : str, the report as a page
    """

    def __init__(self, text, names, record, files, html):
        self._text, self.names, self.record = text, names, record
        self.files, self.html = files, html

    def __str__(self):
        return self._text

    def __repr__(self):
        return f"<pare molecules: {len(self.names)} chosen: {', '.join(self.names[:8])}" + (
            ", ...>" if len(self.names) > 8 else ">")


def chem(path, target, k=20, *, task="auto", threads=0, **options):
    """Chooses substructures and descriptors that tell a property of molecules, as ``pare chem``
    does.

    Parameters
    ----------
    path : CSV, TSV, .smi or .sdf (gz too); structures need the toolkit of plugins/rdkit
    target : what to explain: a column, a tag of an SDF, or the 0-based column of a .smi file
    k : int
    task : "auto", "binary" or "regression"
    **options : of section "chem": smiles, fingerprints, radius, descriptors, ...; seed

    Returns
    -------
    Molecules
    """
    _refuse_others("chem", ("chem", "run"), options)
    with Work(to_config({**options, "target": target, "k": k, "task": task}), threads) as work:
        handle = work.context.make(library.pare_chem_close, library.pare_chem_open,
                                   work.context.handle, encode(path), work.config.handle)
        work.context.check(library.pare_chem_run(handle))
        names = [decode(library.pare_chem_name(handle, r))
                 for r in range(library.pare_chem_count(handle))]
        files = {}
        with tempfile.TemporaryDirectory(prefix="pare-") as folder:
            work.context.check(library.pare_chem_save(handle, encode(os.path.join(folder, "m"))))
            work.context.check(library.pare_chem_html(handle, encode(os.path.join(folder,
                                                                                  "m.html"))))
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    files[name[2:]] = file.read()
        text = _text(work, handle, library.pare_chem_text)
    if work.stop.hit:
        raise KeyboardInterrupt
    record, html = json.loads(files.pop("json")), files.pop("html")
    return Molecules(text, names, record, files, html)
