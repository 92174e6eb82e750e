#!/usr/bin/env python3
"""Tokens per second of CPU time of `pare generate` beside llama.cpp's `llama-bench`, as Markdown.

    python3 experiments/llama_cpp_speed.py THREADS build/bin/pare LLAMA.CPP/build/bin MODEL.gguf [MODEL.gguf ...]

Both programs in turns on the same file, so that other work on the machine disturbs both. Loading
and the first calls cancel: each number is a difference of two runs, prompts of 256 tokens, and 32
tokens from position 16 on. CPU time of all threads; median of the repetitions, in brackets the
least and greatest. With two threads llama.cpp spins where a thread waits for the other, so on a busy
machine its CPU time says nothing there. The model must have a tokenizer of single bytes.
"""
import resource
import statistics
import subprocess
import sys

REPETITIONS = 5
PROMPT, FROM, TOKENS = 256, 16, 32
TEXT = ("It was the best of times, it was the worst of times, it was the age of wisdom. " * 4)[:PROMPT - 1]


def seconds(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if out.returncode:
        sys.exit(out.stderr[-2000:])
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def pare(program, model, threads):
    def run(text, count):
        return seconds(program, "generate", model, "--prompt", text, "--generate", str(count), "--threads",
                       str(threads), "--quiet")
    first = run(TEXT[:FROM - 1], 1)
    return {"prompt": (PROMPT - FROM) / (run(TEXT, 1) - first),
            "token": TOKENS / (run(TEXT[:FROM - 1], TOKENS + 1) - first)}


def llama(folder, model, threads):
    def run(prompt, count, times):
        return seconds(f"{folder}/llama-bench", "-m", model, "-p", str(prompt), "-n", str(count), "-t", str(threads),
                       "-r", str(times))
    return {"prompt": 2 * PROMPT / (run(PROMPT, 0, 3) - run(PROMPT, 0, 1)),
            "token": TOKENS / (run(0, FROM + TOKENS, 1) - run(0, FROM, 1))}


def cell(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main():
    threads, program, folder, models = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    print("| model | threads | | llama.cpp | pare | ratio |\n|---|---|---|---|---|---|")
    for model in models:
        ours, theirs = [], []
        for _ in range(REPETITIONS):
            ours.append(pare(program, model, threads))
            theirs.append(llama(folder, model, threads))
        for kind in ("prompt", "token"):
            a, b = [one[kind] for one in theirs], [one[kind] for one in ours]
            print(f"| {model.split('/')[-1]} | {threads} | {kind} | {cell(a)} | {cell(b)} | "
                  f"{statistics.median(b) / statistics.median(a):.2f} |", flush=True)


if __name__ == "__main__":
    main()
