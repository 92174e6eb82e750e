"""Field and chunk selections on real rows: Adult (UCI 2; its own test file) and MovieLens latest-small
(rating of 4 or more; split by time, the last fifth is scored). docs/results/embed.md says what came out.

    python3 experiments/embed_real.py adult|movielens FOLDER [--pare build/bin/pare] [--methods ...]

FOLDER holds adult.data and adult.test, or ratings.csv and movies.csv. Every method chooses from the
training rows under four budgets (shares of the bytes of all fields at 8 floats), MovieLens with
--by-time; `pare train` trains the plan on all training rows with the plan's own step size and
passes, `pare score` scores the others.
"""
import argparse
import csv
import datetime
import json
import os
import subprocess
import tempfile

METHODS = ["sequential-attention", "frequency", "mutual-information", "permutation", "shark", "sseds",
           "magnitude", "group-lasso", "uniform", "random"]
SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2]
ADULT = ["age", "workclass", "fnlwgt", "education", "education_years", "marital", "occupation",
         "relationship", "race", "sex", "gain", "loss", "hours", "country"]


def adult(folder):
    parts = []
    for name in "adult.data", "adult.test":
        with open(os.path.join(folder, name)) as file:
            rows = [[c.strip().rstrip(".") for c in line.split(",")] for line in file
                    if line.count(",") == 14]
        parts.append([r[:14] + [int(r[14] == ">50K")] for r in rows])
    return ADULT, parts


def bucket(count):
    return count.bit_length()


def movielens(folder):
    """What is known before the rating: counts and the mean so far of the user and of the movie."""
    with open(os.path.join(folder, "movies.csv"), newline="") as file:
        movies = {m["movieId"]: m for m in csv.DictReader(file)}
    with open(os.path.join(folder, "ratings.csv"), newline="") as file:
        ratings = sorted(csv.DictReader(file), key=lambda r: int(r["timestamp"]))
    names = ["user", "movie", "genres", "genre", "year", "user_count", "user_mean", "movie_count",
             "movie_mean", "weekday", "hour", "month"]
    seen, rows = {}, []
    for r in ratings:
        movie = movies[r["movieId"]]
        when = datetime.datetime.fromtimestamp(int(r["timestamp"]), datetime.timezone.utc)
        # letters before ids and years: columns of numbers would be read as numbers
        row = ["u" + r["userId"], "f" + r["movieId"], movie["genres"], movie["genres"].split("|")[0],
               "y" + movie["title"].strip()[-5:-1]]
        for key in ("u", r["userId"]), ("m", r["movieId"]):
            count, total = seen.get(key, (0, 0.0))
            row += [f"c{bucket(count)}", f"m{round(4 * total / count)}" if count else "none"]
            seen[key] = count + 1, total + float(r["rating"])
        rows.append(row + [f"d{when.weekday()}", f"h{when.hour}", f"o{when.month}",
                           int(float(r["rating"]) >= 4)])
    cut = len(rows) * 4 // 5
    return names, [rows[:cut], rows[cut:]]


def call(*command):
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    return out.stdout, out.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=["adult", "movielens"])
    parser.add_argument("folder")
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--any-time", action="store_true", help="judge by rows drawn at random")
    args = parser.parse_args()
    names, parts = {"adult": adult, "movielens": movielens}[args.data](args.folder)
    with tempfile.TemporaryDirectory() as at:
        train, test = os.path.join(at, "train.csv"), os.path.join(at, "test.csv")
        for path, rows in zip((train, test), parts):
            with open(path, "w", newline="") as file:
                csv.writer(file).writerows([names + ["label"]] + rows)
        plan, model = os.path.join(at, "plan.json"), os.path.join(at, "model")
        order = ["--by-time"] if args.data == "movielens" and not args.any_time else []

        def embed(*more):
            out, _ = call(args.pare, "embed", train, "--target", "label", "--held-out", "0.1",
                          "--threads", "1", "--json", *order, *more)
            return json.loads(out)

        def score(choice):
            with open(plan, "w") as file:
                json.dump(choice, file)
            call(args.pare, "train", train, model, "--target", "label", "--plan", plan, "--held-out",
                 "0", "--overwrite")
            said = "".join(call(args.pare, "score", model, test, "--out", os.path.join(at, "p.csv")))
            said = said[said.index("log loss") + 9:].replace(",", " ").split()
            return float(said[0]), float(said[2])

        base = embed("--method", "uniform")
        total = base["cost_of_all"]["bytes"]
        loss, auc = score(base)
        print(f"{args.data}: {len(parts[0])} and {len(parts[1])} rows, {len(names)} fields, "
              f"{total} bytes; all fields: log loss {loss:.4f}, AUC {auc:.4f}\n")
        print("| method | " + " | ".join(f"{s:g} of all" for s in SHARES) + " | fields |")
        print("|---" * (len(SHARES) + 2) + "|")
        for method in args.methods.split(","):
            cells, counts = [], []
            for share in SHARES:
                choice = embed("--method", method, "--budget", f"bytes={int(total * share)}")
                counts.append(str(sum(f["kept"] for f in choice["fields"])))
                cells.append("%.4f, %.4f" % score(choice))
            print(f"| {method} | " + " | ".join(cells) + f" | {', '.join(counts)} |", flush=True)


if __name__ == "__main__":
    main()
