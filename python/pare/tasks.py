"""Tasks of the command line beside the choice of columns: recommenders and genomes."""

import ctypes
import json
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


def genome(bfile, out, *, threads=0, verbose=0, **options):
    """Finds variants that influence traits, as ``pare genome`` does.

    Parameters
    ----------
    bfile : genotypes: the part of the names of .bed, .bim and .fam before the ending
    out : beginning of the names of the files that are written (docs/genome.md)
    **options : of section "genome": pheno, trait, covar, maf, stop, scan, ...; seed

    Returns
    -------
    dict
        The card, as in ``<out>.json``, and its text for people under "text". After Ctrl-C it holds
        the traits that were finished.
    """
    allowed = [k for k, o in BY_KEYWORD.items() if o.section in ("genome", "run")]
    for keyword in options:
        if keyword not in allowed:
            raise ValueError(f"there is no option {keyword} of genome; there are "
                             + ", ".join(allowed))
    with Work(to_config({**options, "bfile": str(bfile)}), threads, verbose) as work:
        handle = work.context.make(library.pare_genome_close, library.pare_genome_open,
                                   work.context.handle, work.config.handle)
        done = c_bool(False)
        while not done.value and not work.stop.hit:
            work.context.check(library.pare_genome_step(handle, byref(done)))
        work.context.check(library.pare_genome_save(handle, encode(out)))
        text = _text(work, handle, library.pare_genome_text)
    with open(f"{out}.json", encoding="utf-8") as file:
        return {**json.load(file), "text": text}
