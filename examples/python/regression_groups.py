"""Groups, weights, missing values and a categorical column in one regression: sensors that deliver
several readings each are bought or not bought, so their columns are chosen together."""

import numpy as np
import pandas as pd

import pare

random = np.random.default_rng(0)
n, sensors = 600, 8
X = pd.DataFrame({f"sensor{s}_{axis}": random.standard_normal(n)
                  for s in range(sensors) for axis in "xyz"})
X["site"] = random.choice(["north", "south", "east"], n)
y = (2 * X["sensor1_x"] - X["sensor1_z"] + X["sensor5_y"] + 1.5 * (X["site"] == "east")
     + 0.3 * random.standard_normal(n))
X = X.mask(random.random(X.shape) < 0.03)  # readings get lost
weight = np.where(np.arange(n) < 300, 0.5, 1.0)  # the older half counts less

groups = {f"sensor{s}": [f"sensor{s}_{axis}" for axis in "xyz"] for s in range(sensors)}
selector = pare.OMPSelector("auto", groups=groups, certify=True).fit(X, y, sample_weight=weight)

print("chosen, in order:", ", ".join(selector.choices_))
for count, score, error in selector.path_[:5]:
    print(f"  {count:.0f} kept: R squared {score:.3f} +- {error:.3f}")
print(f"proved: at least {selector.certificate_['fraction']:.1%} of the best loss reduction that "
      f"any {len(selector.choices_)} candidates can reach")
assert set(selector.choices_) >= {"sensor1", "sensor5", "site"}
