"""scikit-learn's own checks, without expected failures."""

from sklearn.utils.estimator_checks import check_estimator

import pare
from support import Case


class Checks(Case):
    def check(self, estimator):
        for one, check in check_estimator(estimator, generate_only=True):
            with self.subTest(check=str(check)):
                check(one)

    def test_omp(self):
        self.check(pare.OMPSelector())

    def test_sequential_attention(self):
        self.check(pare.SequentialAttentionSelector(epochs=2))

    def test_sequential_attention_one(self):
        self.check(pare.SequentialAttentionSelector(1, epochs=2, surplus=1))

    def test_methods(self):
        for method in ("random", "anova-f", "group-lasso"):
            self.check(pare.Selector(1, method=method, epochs=1))
