"""The bridge to PyTorch."""

import unittest

import numpy as np

from support import Case, regression

try:
    import torch
    from pare.torch import Gate, SequentialAttention
except ImportError:
    torch = None


def batches(x, y, size=32):
    x, y = torch.from_numpy(np.asarray(x, np.float32)), torch.from_numpy(np.asarray(y))
    return [(x[i:i + size], y[i:i + size]) for i in range(0, len(x), size)]


@unittest.skipIf(torch is None, "python3-torch is not installed")
class Bridge(Case):
    def setUp(self):
        super().setUp()
        torch.manual_seed(0)
        torch.set_num_threads(1)

    def inputs(self, **options):
        x, y = regression(256)
        net = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
        return net, SequentialAttention(
            net, Gate("0", 12, dim=-1, where="input"), 3, optimizer=torch.optim.Adam(
                net.parameters(), 1e-2), loss=torch.nn.functional.mse_loss, **options
        ), batches(x, y.astype(np.float32)[:, None])

    def test_inputs(self):
        net, selector, data = self.inputs(epochs=60)
        selector.fit(data[2:], data[:2])
        self.assertEqual(set(selector.selected_), {2, 5, 7})
        self.assertEqual(selector.chosen_[0][1], selector.selected_[0])
        self.assertEqual(selector.mask_.sum(), 3)
        with torch.no_grad():
            x = data[0][0].clone()
            before = net(x)
            x[:, 0] = 99  # not chosen, so masked
            torch.testing.assert_close(net(x), before)
            selector.remove()
            self.assertFalse(torch.allclose(net(x), before))
        self.refuses(ValueError, "removed", selector.fit, data)

    def test_without_validation(self):
        _, selector, data = self.inputs(epochs=60, method="lly")
        self.assertEqual(set(selector.fit(data).selected_), {2, 5, 7})

    def test_same_again(self):
        got = []
        for _ in range(2):
            torch.manual_seed(0)
            _, selector, data = self.inputs(epochs=10)
            got.append(selector.fit(data[2:], data[:2]).scores_)
        np.testing.assert_array_equal(*got)

    def test_channels_and_heads(self):
        """A convolution's channels, and the heads of an attention, of which few can matter."""
        x = torch.randn(192, 1, 6, 6)
        y = (x[:, 0, :, :3].mean((1, 2)) > 0).long()
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                                  torch.nn.Linear(96, 2))
        selector = SequentialAttention(net, [Gate("0", 6)], 2, epochs=30,
                                       loss=torch.nn.functional.cross_entropy)
        selector.fit([(x[i:i + 32], y[i:i + 32]) for i in range(0, 160, 32)],
                     [(x[160:], y[160:])])
        self.assertEqual(len(selector.selected_), 2)
        self.assertEqual(net[0](x).abs().sum((0, 2, 3)).gt(0).sum(), 2)

        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        gates = [Gate("linear1", 4, dim=-1), Gate("self_attn", 1, dim=-1)]
        heads = SequentialAttention(layer, gates, 3, epochs=4, forced=[4], surplus=1,
                                    loss=torch.nn.functional.mse_loss)
        z = torch.randn(16, 5, 8)
        heads.fit([(z, 2 * z)])
        self.assertIn(4, heads.selected_)
        self.assertEqual(len(heads.chosen_), 3)

    def test_bad(self):
        net, selector, data = self.inputs()
        make = dict(loss=torch.nn.functional.mse_loss)
        self.refuses(ValueError, "no such submodule", SequentialAttention, net, Gate("7", 2), 1,
                     **make)
        self.refuses(ValueError, "where", Gate, "0", 2, where="inside")
        self.refuses(ValueError, "parts", Gate, "0", 0)
        self.refuses(ValueError, "no option speed", SequentialAttention, net, Gate("0", 4), 1,
                     speed=1, **make)
        self.refuses(ValueError, "at least one batch", selector.fit, [])
        for k in (0, 99):
            _, selector, data = self.inputs()
            selector._config["k"] = str(k)
            self.refuses(ValueError, "option k", selector.fit, data)
        uneven = SequentialAttention(net, Gate("0", 7), 1, **make)
        self.refuses(ValueError, "equal parts", uneven.fit, data)
        uneven.remove()
        _, selector, data = self.inputs()
        self.refuses(ValueError, "5 entries", selector.fit,
                     [(torch.zeros(3, 5), torch.zeros(3, 1))])
        selector.remove()
        unused = torch.nn.Sequential(torch.nn.Linear(12, 1))
        unused.add_module("tail", torch.nn.Identity())
        unused.forward = unused[0].forward
        apart = SequentialAttention(unused, Gate("tail", 1), 1, **make)
        self.refuses(RuntimeError, "did not pass", apart.fit, data)
        _, selector, data = self.inputs()
        selector.loss = lambda output, target: output.sum() * float("nan")
        self.refuses(ArithmeticError, "finite", selector.fit, data)


if __name__ == "__main__":
    unittest.main()
