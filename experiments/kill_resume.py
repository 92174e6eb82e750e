"""kill -9 at random moments of a selection with --checkpoint: does every resume end with the same file?

    python3 experiments/kill_resume.py --pare build/bin/pare --folder /tmp/kill [--moments 20]

A generated table is read in pieces (--memory), once by orthogonal matching pursuit with exchanges and
once by a network. Each is run undisturbed, then killed at random moments of its length; a killed run
goes on from the state of the one before, so that the moments are spread over a whole run. The state
that each kill left behind is then resumed to the end, and everything of selection.json but times and
paths is compared with the undisturbed one. Needs python3-numpy.
"""
import argparse, json, os, random, shutil, signal, subprocess, time
import numpy as np

TASKS = {
    "omp": "--method omp --replace -k 40",
    "network": "--method sequential-attention --model linear -k 10 --epochs 6",
}


def make(program, folder, rows, columns):
    path = f"{folder}/t.pare"
    if not os.path.exists(path):
        random_numbers = np.random.default_rng(1)
        x = random_numbers.random((rows, columns + 1), dtype=np.float32)
        x[:, columns] = x[:, :60] @ np.linspace(1, 2, 60).astype(np.float32) \
            + 3 * random_numbers.normal(size=rows).astype(np.float32)
        np.save(f"{folder}/t.npy", x)
        subprocess.run([program, "convert", f"{folder}/t.npy", path], check=True, capture_output=True)
        os.remove(f"{folder}/t.npy")
    return path


def answer(path):
    with open(path) as f:
        result = json.load(f)
    for name in ("created", "seconds", "options", "path"):
        result.pop(name, None)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pare", default="build/bin/pare")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--rows", type=int, default=150000)
    parser.add_argument("--columns", type=int, default=600)
    parser.add_argument("--memory", default="220M")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    os.chdir(arguments.folder)
    program = arguments.pare
    table = make(program, ".", arguments.rows, arguments.columns)
    random.seed(1)
    for name, options in TASKS.items():
        command = [program, "select", table, "--target", f"x{arguments.columns}", "--memory", arguments.memory,
                   "--no-compare", "--quiet", *options.split()]
        begin = time.time()
        subprocess.run([*command, "--out", "whole.json"], check=True)
        length = time.time() - begin
        whole, states, last = answer("whole.json"), [], 0.0
        shutil.rmtree("states", ignore_errors=True)
        os.makedirs("states")
        if os.path.exists("state"):
            os.remove("state")
        for i, moment in enumerate(sorted(random.uniform(0.02, 0.98) for _ in range(arguments.moments))):
            run = subprocess.Popen([*command, "--checkpoint", "state", "--checkpoint-every", "0.2",
                                    "--out", "killed.json"])
            time.sleep(max(0.2, (moment - last) * length))
            run.send_signal(signal.SIGKILL)
            code = run.wait()
            last = moment
            if code == -signal.SIGKILL and os.path.exists("state"):
                states.append(f"states/{i}")
                shutil.copy("state", states[-1])
        same = 0
        for state in states:
            subprocess.run([*command, "--checkpoint", state, "--out", "resumed.json"], check=True)
            same += answer("resumed.json") == whole
        print(f"{name}: {length:.0f} s undisturbed; {arguments.moments} kills, {len(states)} left a state; "
              f"{same} resumed to the identical selection", flush=True)


main()
