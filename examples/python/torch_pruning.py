"""Prunes the channels of a small trained convolutional network, then measures it again."""

import sys

import numpy as np
from sklearn.datasets import load_digits

try:
    import torch
    from pare.torch import Gate, SequentialAttention
except ImportError:
    print("skipped: PyTorch is not installed\n(python3-torch)")
    sys.exit()

torch.manual_seed(0)
torch.set_num_threads(1)
x, y = load_digits(return_X_y=True)
x = torch.from_numpy((x / 16).astype(np.float32)).reshape(-1, 1, 8, 8)
y = torch.from_numpy(y)
order = torch.randperm(len(x))
x, y = x[order], y[order]


def batches(start, stop, size=64):
    return [(x[i:i + size], y[i:i + size]) for i in range(start, stop, size)]


train, valid, test = batches(0, 1200), batches(1200, 1500), (x[1500:], y[1500:])
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 12, 3), torch.nn.ReLU(), torch.nn.Conv2d(12, 16, 3), torch.nn.ReLU(),
    torch.nn.Flatten(), torch.nn.Linear(16 * 4 * 4, 10))
optimizer = torch.optim.Adam(net.parameters(), 3e-3)
loss = torch.nn.functional.cross_entropy


def epoch():
    net.train()
    for inputs, target in train:
        optimizer.zero_grad()
        loss(net(inputs), target).backward()
        optimizer.step()


def accuracy(output, target):
    return float((output.argmax(1) == target).float().mean())


def judge():
    net.eval()
    with torch.no_grad():
        return accuracy(net(test[0]), test[1])


for _ in range(8):
    epoch()
print(f"28 channels: accuracy {judge():.3f}")

selector = SequentialAttention(net, [Gate("0", 12), Gate("2", 16)], 12, loss=loss, score=accuracy,
                               optimizer=optimizer, epochs=12)
selector.fit(train, valid)
for _ in range(3):
    epoch()  # the gates stay in place: the chosen are tuned on
kept = [(gate.module, part) for gate, part in selector.chosen_]
print(f"12 channels: accuracy {judge():.3f}; kept", ", ".join(f"{m}:{p}" for m, p in kept))
