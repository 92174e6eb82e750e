"""Continual embedding plans under injected drift: windows of synthetic rows through `pare embed
--continue`, beside a full new choice at every window. docs/results/embed.md says what came out.

    python3 experiments/continual.py --pare build/bin/pare [--seeds 3] [--windows 20] [--stationary]
        [--model deepfm]

Each window is scored before it is learned from. The peer chooses and trains afresh on the last
`--memory` windows and is scored on the same rows. Drift: at window 6 the ids of field `a` turn to
noise; at window 11 a field `new` of that strength appears; from window 15 on, the ids of `item`
are drawn from a set that moves by a tenth a window. With --crosses N the first screening proposes N
pairs of fields; fields n1 and n6 matter together, n5 and n6 less, and from window 9 on the other
way round.
"""
import argparse
import csv
import json
import os
import subprocess
import tempfile

import numpy as np

INFORMATIVE = {"a": (30, 0.9), "b": (20, 0.8), "c": (50, 0.6), "item": (300, 0.7)}
NOISE = {"n1": 20, "n2": 40, "n3": 60, "n4": 100, "n5": 30, "n6": 10}


class World:
    def __init__(self, seed, stationary, pairs):
        self.rng = np.random.default_rng(seed)
        self.stationary, self.pairs = stationary, pairs
        self.effect = {f: self.rng.normal(0, s, 2 * n) for f, (n, s) in INFORMATIVE.items()}
        self.effect["new"] = self.rng.normal(0, 0.9, 40)
        self.effect["spare"] = self.rng.normal(0, 0.35, 25)
        self.together = {f: np.random.default_rng([seed, n]).normal(0, 1, (n, 10))
                         for f, n in (("n1", 20), ("n5", 30))} if pairs else {}

    def rows(self, window, count):
        rng, drift = self.rng, not self.stationary
        ids = {}
        for f, (n, _) in INFORMATIVE.items():
            shift = n // 10 * max(0, window - 14) if drift and f == "item" else 0
            ids[f] = shift + np.minimum(rng.exponential(n / 4, count).astype(int), n - 1)
        ids["spare"] = rng.integers(0, 25, count)
        z = sum(self.effect[f][ids[f]] for f in list(INFORMATIVE) + ["spare"])
        if drift and window >= 6:
            z -= self.effect["a"][ids["a"]]
            z += self.effect["new"][(shown := rng.integers(0, 40, count))]
            if window >= 11:
                ids["new"] = shown
        for f, n in NOISE.items():
            ids[f] = rng.integers(0, n, count)
        for f, effect in self.together.items():
            z += (1.0 if (f == "n1") != (drift and window >= 9) else 0.4) * effect[ids[f], ids["n6"]]
        label = rng.random(count) < 1 / (1 + np.exp(-z + 0.5))
        return ids, label.astype(int)


def write(path, windows):
    names = sorted(set().union(*[w[0].keys() for w in windows]))
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(names + ["clicked"])
        for ids, label in windows:
            columns = [ids.get(f, np.full(len(label), "", dtype=object)) for f in names]
            out.writerows(zip(*columns, label))


def run(pare, *arguments):
    done = subprocess.run([pare, "embed", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--memory", type=int, default=2)
    parser.add_argument("--lines", type=int, default=5)
    parser.add_argument("--stationary", action="store_true")
    parser.add_argument("--crosses", type=int, default=0)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--passes", default="0")
    parser.add_argument("--model", default="fm")
    options = parser.parse_args()
    budget = f"lines={options.lines}"
    for seed in range(options.first, options.first + options.seeds):
        world = World(seed, options.stationary, options.crosses > 0)
        with tempfile.TemporaryDirectory() as folder:
            path = {n: os.path.join(folder, n) for n in ("day.csv", "past.csv", "state.pare", "peer.pare")}
            history, regret, spent, switches = [], [], np.zeros(3), []
            for window in range(1, options.windows + 2):
                rows = world.rows(window, options.rows)
                write(path["day.csv"], [rows])
                common = ["--target", "clicked", "--seed", str(seed), "--categorical", ",".join(rows[0])]
                if window == 1:
                    run(options.pare, path["day.csv"], *common, "--budget", budget, "--state",
                        path["state.pare"], "--crosses", str(options.crosses), "--model", options.model)
                else:
                    text = run(options.pare, path["day.csv"], *common, "--continue", path["state.pare"],
                               "--passes", options.passes, "--json")
                    answer = json.loads(text)
                    w, own = answer["window"], answer["held_out"]["plan"]["log_loss"]
                    name = [f["name"] for f in answer["fields"]] + [None]
                    spent += [w["scoring_cpu_seconds"], w["selecting_cpu_seconds"],
                              w["training_cpu_seconds"]]
                    peer = float("nan")
                    if not options.no_peer:
                        peer = resolve(options, path, history[-options.memory:], common, budget)
                    regret.append(own - peer)
                    if w["added"] >= 0 or w["dropped"] >= 0:
                        switches.append((window, name[w["dropped"]], name[w["added"]]))
                    print(f"seed {seed} window {window}: log loss {own:.5f}, new choice {peer:.5f}"
                          f"{' alarm' if w['alarm'] else ''} {switches[-1:] if switches and switches[-1][0] == window else ''}",
                          flush=True)
                history.append(rows)
        print(f"seed {seed}: mean regret {np.mean(regret):+.5f}, selecting / training "
              f"{spent[1]:.4f} s, {spent[1] / spent[2]:.3f}, scoring / training {spent[0] / spent[2]:.3f}, "
              f"changes {switches}", flush=True)


def resolve(options, path, past, common, budget):
    """Log loss on the day's rows of a plan chosen and trained on `past` alone."""
    write(path["past.csv"], past)
    names = sorted(set().union(*[window[0] for window in past]))
    run(options.pare, path["past.csv"], *common[:-1], ",".join(names), "--budget", budget, "--held-out", "0.05", "--state",
        path["peer.pare"], "--crosses", str(options.crosses), "--model", options.model)
    text = run(options.pare, path["day.csv"], *common, "--continue", path["peer.pare"], "--json")
    return json.loads(text)["held_out"]["plan"]["log_loss"]


if __name__ == "__main__":
    main()
