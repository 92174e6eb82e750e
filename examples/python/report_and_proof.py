"""What the command line does, from Python: a table in a file, methods side by side, a proof, and a
report to hand on."""

import tempfile
from pathlib import Path

from sklearn.datasets import load_wine

import pare

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)

    with pare.open(folder / "wine.csv", target="target") as table:
        print(table.summary)
        chosen = table.select(4, method="omp", certify=True)
    print(chosen.text())
    chosen.report(folder / "report.html")
    chosen.save(folder / "selection.json")
    pare.apply(folder / "selection.json", folder / "wine.csv", folder / "small.csv")
    print("columns of the smaller table:", (folder / "small.csv").open().readline().strip())

wine = load_wine()
print(pare.compare(wine.data, wine.target, 4, seeds=2, epochs=30,
                   methods=["sequential-attention", "omp", "mutual-information", "random"]))
