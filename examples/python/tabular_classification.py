"""Which proteins tell eight classes of mice apart? A pipeline over a data frame with missing
values, judged on mice it has not seen.

Data: Higuera, Gardiner and Cios 2015, UCI 342, CC BY 4.0 (examples/data/README.md).
"""

from pathlib import Path

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pare import SequentialAttentionSelector

table = pd.read_csv(Path(__file__).resolve().parents[1] / "data" / "mice_protein.csv.gz")
mouse, y = table["mouse_block"], table["class"]
X = table.drop(columns=["mouse_block", "class", "Genotype", "Treatment", "Behavior"],
               errors="ignore").select_dtypes("number")
train, test = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, mouse))


def judge(*first):
    model = make_pipeline(*first, SimpleImputer(), StandardScaler(),
                          LogisticRegression(max_iter=2000))
    return model.fit(X.iloc[train], y.iloc[train]), model.score(X.iloc[test], y.iloc[test])


model, few = judge(SequentialAttentionSelector(10, random_state=1))
_, every = judge()
print("chosen, in order:", ", ".join(model[0].choices_))
print(f"accuracy on new mice: {few:.3f} with 10 proteins, {every:.3f} with all {X.shape[1]}")
