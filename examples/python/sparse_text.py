"""Words that tell apart what functions are about: documentation strings of four scientific
packages as a sparse matrix of words."""

import importlib
import inspect

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from pare import OMPSelector

texts, labels = [], []
for name in ("scipy.stats", "numpy", "sklearn.metrics", "scipy.signal"):
    module = importlib.import_module(name)
    for item in sorted(dir(module)):
        text = inspect.getdoc(getattr(module, item))
        if callable(getattr(module, item)) and not item.startswith("_") and text:
            texts.append(text)
            labels.append(name)

words = CountVectorizer(token_pattern=r"[a-z]{3,}", binary=True, min_df=5)
X = words.fit_transform(texts)
selector = OMPSelector(20).fit(X, labels)
chosen = words.get_feature_names_out()[selector.selected_]
print(f"{X.shape[0]} texts, {X.shape[1]} words, {X.nnz / X.shape[0]:.0f} in each")
print("chosen, in order:", ", ".join(chosen))

model = LogisticRegression(max_iter=1000)
few = cross_val_score(make_pipeline(OMPSelector(20), model), X, labels, cv=3).mean()
every = cross_val_score(model, X, labels, cv=3).mean()
print(f"accuracy: {few:.3f} with 20 words, {every:.3f} with all")
