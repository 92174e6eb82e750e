#!/usr/bin/env python3
"""What `pare prune` writes, loaded by llama.cpp: perplexity there and by `pare perplexity --protocol
llama.cpp`, as a Markdown table.

    python3 experiments/clients.py build/bin/pare LLAMA.CPP/build/bin DATA WORK

DATA: the folder of the models and texts named below; WORK: scratch. Stops where the two differ by
more than 0.01.
"""
import re
import subprocess
import sys

STORIES, BOOKS = "stories260K/hf", "books-llama-3m"
TEXT = {STORIES: ("text/tinystories/tinystories_1000.txt", 400000),
        BOOKS: ("text/books_calibration.txt", None)}
SCORED = {STORIES: ("text/tinystories/tinystories_1000.txt", 400000),
          BOOKS: ("text/books_eval/Emma.txt", None)}
RUNS = [(STORIES, "--budget params=0.75 --structure heads,ffn --uniform", "f32"),
        (STORIES, "--budget params=0.75 --structure heads,ffn", "f32"),
        (STORIES, "--budget params=0.8 --structure attention,heads,ffn", "bf16"),
        (STORIES, "--budget params=0.8 --structure layers", "f16"),
        (STORIES, "--budget params=0.75 --structure layers,heads,ffn,hidden --uniform --round 32", "f32"),
        (STORIES, "--structure vocabulary", "f32"),
        (STORIES, "--structure blocks --block 32x32 --sparsity 0.1", "f32"),
        (BOOKS, "--budget params=0.75 --structure attention,heads,ffn --round 32", "bf16"),
        (BOOKS, "--budget params=0.75 --structure heads,ffn --criterion sequential-attention", "f16"),
        (BOOKS, "--budget params=0.85 --structure attention", "f32"),
        (BOOKS, "--budget params=0.8 --structure attention,mlp", "f32"),
        (BOOKS, "--structure vocabulary", "f32")]


def text(data, work, source):
    """A text, or its first bytes as a file of WORK."""
    name, size = source
    if size is None:
        return f"{data}/{name}"
    path = f"{work}/first_{size}.txt"
    with open(f"{data}/{name}", "rb") as whole, open(path, "wb") as part:
        part.write(whole.read(size))
    return path


def pare(program, *arguments):
    out = subprocess.run([program, *arguments], capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    return out.stdout


def architecture(path):
    with open(path, "rb") as file:
        head = file.read(4096)
    at = head.index(b"general.architecture") + len(b"general.architecture") + 4
    size = int.from_bytes(head[at:at + 8], "little")
    return head[at + 8:at + 8 + size].decode()


def main():
    program, llama, data, work = sys.argv[1:5]
    print("| model | removed | GGUF | llama.cpp | pare |\n|---|---|---|---|---|")
    for number, (model, options, dtype) in enumerate(RUNS):
        out = f"{work}/client{number}"
        pare(program, "prune", f"{data}/{model}", "--text", text(data, work, TEXT[model]), *options.split(),
             "--calibration", "32", "--dtype", dtype, "--gguf", "--overwrite", "--quiet", "--out", out)
        scored, file = text(data, work, SCORED[model]), f"{out}/model.gguf"
        there = subprocess.run([f"{llama}/llama-perplexity", "-m", file, "-f", scored, "-c", "256", "-t", "1",
                                "--chunks", "60"], capture_output=True, text=True)
        found = re.search(r"PPL = ([0-9.]+)", there.stdout + there.stderr)
        if not found:
            sys.exit(there.stderr[-2000:])
        here = pare(program, "perplexity", file, "--text", scored, "--context", "256", "--windows", "60",
                    "--protocol", "llama.cpp")
        ours = re.search(r"perplexity[^0-9]*([0-9.]+)", here).group(1)
        print(f"| {model.split('/')[0]} | `{options}` | {architecture(file)}, {dtype} | {found.group(1)} | {ours} |",
              flush=True)
        if abs(float(found.group(1)) - float(ours)) > 0.01:
            sys.exit("they differ by more than 0.01")


if __name__ == "__main__":
    main()
