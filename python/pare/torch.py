"""Selection inside any PyTorch module: the library owns mask, schedule and choice, PyTorch the
parameters and gradients. Needs torch."""

import math
from ctypes import byref, c_bool, sizeof

import numpy as np
import torch

from ._library import EVALUATE_FN, RESET_FN, STEP_FN, ExternalModel, Progress, library
from ._options import to_config
from ._selection import Work

__all__ = ["Gate", "SequentialAttention"]


class Gate:
    """A place in a module where candidates are multiplied by their entries of the mask.

    Parameters
    ----------
    module : str, name of the submodule as in ``named_modules`` ("" is the whole module)
    parts : int, axis `dim` is cut into so many equal, consecutive parts, one candidate each: the
        inputs of a layer, the channels of a convolution, the heads of an attention; 1 for a whole
        branch
    dim : int, axis of the tensor: 1 for channels (default), -1 for features
    where : "output" or "input" of the submodule (its first argument)
    """

    def __init__(self, module, parts, dim=1, where="output"):
        if where not in ("input", "output"):
            raise ValueError(f"where: {where!r}; 'input' or 'output' was expected")
        if not int(parts) >= 1:
            raise ValueError(f"parts: {parts!r}; a whole number from 1 on was expected")
        self.module, self.parts, self.dim, self.where = module, int(parts), dim, where

    def __repr__(self):
        return f"Gate({self.module!r}, {self.parts}, dim={self.dim}, where={self.where!r})"

    def multiply(self, tensor, mask):
        size = tensor.shape[self.dim]
        if size % self.parts:
            raise ValueError(f"{self!r}: axis {self.dim} has {size} entries, which cannot be cut "
                             f"into {self.parts} equal parts")
        shape = [1] * tensor.dim()
        shape[self.dim] = size
        mask = mask.to(device=tensor.device, dtype=tensor.dtype)
        return tensor * mask.repeat_interleave(size // self.parts).reshape(shape)


class SequentialAttention:
    """Chooses k candidates of a module while training it, with the same selector as
    :class:`pare.SequentialAttentionSelector`.

    Parameters
    ----------
    module : torch.nn.Module, trained in place; fresh or trained already
    candidates : list of Gate (or one), whose parts are numbered one after the other
    k : int, how many candidates to keep
    loss : callable(output, target) -> scalar tensor, mean over the batch
    optimizer : torch.optim.Optimizer of the module's parameters, default Adam(1e-3)
    score : callable(output, target) -> float, higher is better, mean over the batch; default -loss
    epochs : float, passes over the training batches while choosing; 0: about 4000 steps
    forced, excluded : lists of candidate numbers that must, must not be kept
    random_state : int, seed
    verbose : int, whether to show progress
    **options : mask_learning_rate, warm_up, surplus, picks_per_phase, replace,
        method ("sequential-attention" or "lly")

    Attributes
    ----------
    selected_ : ndarray of int, chosen candidates in order of choice
    scores_ : ndarray of float, what removing each would cost the validation score
    chosen_ : list of (Gate, part), the same by place
    mask_ : ndarray of float32, 1 for the chosen, 0 for the others
    stopped_ : bool, whether Ctrl-C ended the work early

    After ``fit`` the module stays multiplied by ``mask_``, so it can be tuned or measured as it is;
    ``remove`` takes the gates out again.
    """

    def __init__(self, module, candidates, k, *, loss, optimizer=None, score=None, epochs=0,
                 forced=(), excluded=(), random_state=1, verbose=0, **options):
        self.module = module
        self.gates = [candidates] if isinstance(candidates, Gate) else list(candidates)
        self.k, self.loss, self.score = k, loss, score
        self.optimizer = optimizer or torch.optim.Adam(module.parameters(), 1e-3)
        self.verbose = verbose
        self._config = to_config({"k": k, "epochs": epochs, "include": list(forced),
                                  "exclude": list(excluded), "seed": random_state, **options})
        self.count = sum(gate.parts for gate in self.gates)
        self._mask = torch.ones(self.count)
        self._hooks, self._passed = [], set()
        modules = dict(module.named_modules())
        at = 0
        for gate in self.gates:
            if gate.module not in modules:
                raise ValueError(f"{gate!r}: there is no such submodule; there are "
                                 + ", ".join(repr(name) for name in modules))
            self._hook(modules[gate.module], gate, slice(at, at + gate.parts))
            at += gate.parts

    def _hook(self, module, gate, part):
        def through(tensors):
            self._passed.add(gate)
            if isinstance(tensors, tuple):
                return (gate.multiply(tensors[0], self._mask[part]), *tensors[1:])
            return gate.multiply(tensors, self._mask[part])
        self._hooks.append(
            module.register_forward_pre_hook(lambda _, inputs: through(inputs))
            if gate.where == "input" else
            module.register_forward_hook(lambda _, __, output: through(output)))

    def _forward(self, inputs):
        """The module's output; fused shortcuts that go past a gate are refused."""
        self._passed = set()
        output = self.module(inputs)
        for gate in self.gates:
            if gate not in self._passed:
                raise RuntimeError(f"{gate!r}: the forward pass did not pass this submodule; a "
                                   "fused fast path must be switched off")
        return output

    def remove(self):
        """Takes the gates out of the module."""
        while self._hooks:
            self._hooks.pop().remove()

    # ---- What the library asks for

    def _step(self, mask, want_gradient):
        """One step on the next batch; (loss, gradient of the mask or None)."""
        try:
            inputs, target = next(self._iterator)
        except (StopIteration, TypeError):
            self._iterator = iter(self._batches)
            inputs, target = next(self._iterator)
        self._mask = torch.from_numpy(mask).requires_grad_(want_gradient)
        self.module.train()
        self.optimizer.zero_grad()
        loss = self.loss(self._forward(inputs), target)
        loss.backward()
        self.optimizer.step()
        self._steps += 1
        return loss.item(), self._mask.grad.numpy() if want_gradient else None

    @torch.no_grad()
    def _measure(self, mask):
        """Mean score over the validation batches and its standard error."""
        self._mask = torch.from_numpy(mask)
        self.module.eval()
        scores, rows = [], []
        for inputs, target in self._validation:
            output = self._forward(inputs)
            value = self.score(output, target) if self.score else -self.loss(output, target)
            scores.append(float(value))
            rows.append(len(target))
        mean = float(np.average(scores, weights=rows))
        error = float(np.std(scores, ddof=1) / math.sqrt(len(scores))) if len(scores) > 1 else \
            math.nan
        return mean, error

    def _model(self, steps_per_epoch, failed):
        """The callbacks; an exception is kept in `failed`, since none may cross the library."""
        def guarded(function):
            def call(*arguments):
                try:
                    function(*arguments)
                    return 0
                except BaseException as error:
                    failed.append(error)
                    return 1
            return call

        def array(pointer):
            return np.ctypeslib.as_array(pointer, (self.count,))

        def step(_, mask, loss, d_mask):
            loss[0], gradient = self._step(array(mask).copy(), bool(d_mask))
            if d_mask:
                array(d_mask)[:] = gradient

        def evaluate(_, mask, score, error, constant):
            score[0], error[0] = self._measure(array(mask).copy())
            if self._constant[0] != self._steps:  # the module without any candidate
                self._constant = self._steps, self._measure(np.zeros(self.count, np.float32))[0]
            constant[0] = self._constant[1]

        return ExternalModel(
            sizeof(ExternalModel), self.count, steps_per_epoch, None, RESET_FN(),
            STEP_FN(guarded(step)),
            EVALUATE_FN(guarded(evaluate)) if self._validation is not None else EVALUATE_FN())

    def fit(self, batches, validation=None):
        """Trains and chooses.

        Parameters
        ----------
        batches : DataLoader, or list, of (input, target); gone through again and again
        validation : the same for rows held out, or None: then the warm-up has a fixed length and
            first-order effects say what is dropped

        Returns
        -------
        self
        """
        if not hasattr(batches, "__len__") or len(batches) == 0:
            raise ValueError("batches: a DataLoader or list with at least one batch was expected")
        if not self._hooks:
            raise ValueError("the gates were removed from the module")
        self._batches, self._validation, self._iterator = batches, validation, None
        self._steps, self._constant = 0, (-1, math.nan)
        failed = []
        model = self._model(len(batches), failed)
        with Work(self._config, 1, self.verbose) as work:
            handle = work.context.make(library.pare_external_destroy, library.pare_external_create,
                                       work.context.handle, byref(model), work.config.handle)
            done, progress = c_bool(False), Progress()
            while not done.value and not work.stop.hit:
                status = library.pare_external_step(handle, byref(done))
                if failed:
                    raise failed[0]
                work.context.check(status)
                if self.verbose and library.pare_external_progress(handle, byref(progress)) == 0:
                    work.view.show(progress)
            count = library.pare_external_count(handle)
            self.selected_ = np.array(library.pare_external_items(handle)[:count], np.int64)
            self.scores_ = np.array([library.pare_external_score(handle, i)
                                     for i in range(count)])
        self.stopped_ = work.stop.hit
        self.mask_ = np.zeros(self.count, np.float32)
        self.mask_[self.selected_] = 1
        self._mask = torch.from_numpy(self.mask_.copy())
        places = [(gate, part) for gate in self.gates for part in range(gate.parts)]
        self.chosen_ = [places[j] for j in self.selected_]
        self.module.eval()
        if self.stopped_:
            raise KeyboardInterrupt
        return self
