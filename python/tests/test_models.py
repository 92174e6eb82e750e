"""Language models from Python: a small one with random weights, written as llama2.c does."""

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np

import pare
from support import Case, program

DIM, HIDDEN, LAYERS, HEADS, VOCABULARY, CONTEXT = 16, 24, 3, 4, 259, 32


def write_model(folder):
    """Paths of weights and tokenizer; tokens are single bytes."""
    random = np.random.default_rng(0)
    shapes = [(VOCABULARY, DIM), (LAYERS, DIM), *[(LAYERS, DIM, DIM)] * 4, (LAYERS, DIM),
              (LAYERS, HIDDEN, DIM), (LAYERS, DIM, HIDDEN), (LAYERS, HIDDEN, DIM), (DIM,),
              (CONTEXT, DIM // HEADS)]  # the last: rotations, which readers pass over
    gains = {1, 6, 10}
    body = b"".join(((i in gains) + 0.3 * random.standard_normal(shape)).astype("<f4").tobytes()
                    for i, shape in enumerate(shapes))
    model, tokenizer = folder / "model.bin", folder / "tokenizer.bin"
    model.write_bytes(struct.pack("<7i", DIM, HIDDEN, LAYERS, HEADS, HEADS, VOCABULARY, CONTEXT)
                      + body)
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % b for b in range(256)]
    tokenizer.write_bytes(struct.pack("<i", 6) + b"".join(
        struct.pack("<fi", 0, len(piece)) + piece for piece in pieces))
    return model, tokenizer


class Models(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = Path(cls.folder.name)
        cls.model, cls.tokenizer = write_model(cls.path)
        cls.text = cls.path / "text.txt"
        cls.text.write_text("the cat sat on the mat and the dog sat on the log. " * 20)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_info(self):
        info = pare.model_info(self.model, tokenizer=str(self.tokenizer))
        self.assertEqual((info["layers"], info["hidden"]), ("3", "16"))
        self.refuses(OSError, "nowhere", pare.model_info, "/nowhere.bin")
        self.refuses(ValueError, "no option hidden", pare.model_info, self.model, hidden=3)

    def test_perplexity_is_that_of_the_program(self):
        score = pare.perplexity(self.model, self.text, tokenizer=str(self.tokenizer), context=16,
                                windows=4)
        text = program("perplexity", self.model, "--text", self.text, "--tokenizer",
                       self.tokenizer, "--context", 16, "--windows", 4)
        self.assertIn(f"perplexity: {score['perplexity']:.4f}\n", text)
        self.assertEqual((score["windows"], score["context"]), (4, 16))
        self.refuses(OSError, "nowhere", pare.perplexity, self.model, "/nowhere.txt",
                     tokenizer=str(self.tokenizer))

    def test_generate_streams(self):
        how = dict(tokenizer=str(self.tokenizer), temperature=1.0, seed=1)
        pieces = []
        text = pare.generate(self.model, "the ", 12, stream=pieces.append, **how)
        self.assertGreater(len(pieces), 3)
        self.assertEqual("".join(pieces), text)
        self.assertEqual(text, pare.generate(self.model, "the ", 12, **how))
        short = pare.generate(self.model, "the ", 12, stream=lambda piece: True, **how)
        self.assertLess(len(short), 4)

        def fails(piece):
            raise KeyError(piece)

        with self.assertRaises(KeyError):
            pare.generate(self.model, "the ", 12, stream=fails, **how)
        self.refuses(ValueError, "temperature", pare.generate, self.model, "a", temperature=-1)

    def test_prune(self):
        out = self.path / "small"
        how = dict(text=self.text, tokenizer=str(self.tokenizer), context=16, calibration=4,
                   probe=2)
        answer = pare.prune(self.model, out, budget={"params": 0.7}, **how)
        self.assertTrue((out / "model.safetensors").exists())
        self.assertLess(answer["difference"], 1e-3)
        score = pare.perplexity(out, self.text, tokenizer=str(self.tokenizer), context=16)
        self.assertGreater(score["perplexity"], 1)
        self.refuses(FileExistsError, "overwrite=True", pare.prune, self.model, out,
                     budget="params=0.7", **how)
        again = pare.prune(self.model, out, budget="params=0.7", overwrite=True, **how)
        self.assertEqual(again["difference"], answer["difference"])
        self.refuses(ValueError, "option budget", pare.prune, self.model, self.path / "x",
                     budget="params=7", **how)
        self.assertFalse((self.path / "x").exists())

    def test_latency(self):
        text = pare.latency(self.model, tokenizer=str(self.tokenizer), prompt_tokens=4, generate=4)
        self.assertTrue(text)


if __name__ == "__main__":
    unittest.main()
