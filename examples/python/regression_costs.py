"""Costs, groups, weights, missing values and a categorical column in one regression: sensors that
deliver several readings each are bought or not bought, so their columns are chosen together, within
a budget."""

import numpy as np
import pandas as pd

import pare

random = np.random.default_rng(0)
n, sensors = 600, 8
X = pd.DataFrame({f"sensor{s}_{axis}": random.standard_normal(n)
                  for s in range(sensors) for axis in "xyz"})
X["site"] = random.choice(["north", "south", "east"], n)
X["sensor7_x"] = X["sensor1_x"] + 0.2 * random.standard_normal(n)  # nearly the same reading
y = (2 * X["sensor1_x"] + X["sensor5_y"] + 1.5 * (X["site"] == "east")
     + 0.3 * random.standard_normal(n))
X = X.mask(random.random(X.shape) < 0.03)  # readings get lost
weight = np.where(np.arange(n) < 300, 0.5, 1.0)  # the older half counts less

groups = {f"sensor{s}": [f"sensor{s}_{axis}" for axis in "xyz"] for s in range(sensors)}
prices = {"sensor1": 60, "sensor7": 15, "site": 1, **{f"sensor{s}": 20 for s in (0, 2, 3, 4, 5, 6)}}

for budget in (40, 90):
    selector = pare.OMPSelector(None, groups=groups, costs=prices, budget=budget,
                                certify=True).fit(X, y, sample_weight=weight)
    print(f"for {budget}: {', '.join(selector.choices_)} at {selector.cost_:g}; proved: at least "
          f"{selector.certificate_['fraction']:.1%} of what any choice within the budget can reach")
    assert selector.cost_ <= budget
    assert {"sensor5", "site"} <= set(selector.choices_)
    assert ("sensor1" in selector.choices_) != ("sensor7" in selector.choices_)
