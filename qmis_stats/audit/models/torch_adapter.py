"""PyTorch modules (extra ``torch``): trained by the user's own code, quantized on a copy."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from qmis_stats.audit.data import TASKS, Task
from qmis_stats.audit.models.base import Weights
from qmis_stats.errors import InputError, MissingExtraError
from qmis_stats.scores.base import FloatArray

__all__ = ["TorchModel"]

_BATCH = 4096

Train = Callable[[Any, FloatArray, FloatArray, np.random.Generator], Iterable[object]]
"""Trains the module that it is given in place, and yields (anything) at each checkpoint."""


class TorchModel:
    """Any :class:`torch.nn.Module` as a model; the module that is given is never changed.

    Parameters
    ----------
    module : torch.nn.Module
        Its output for a batch: (N,) or (N, 1) numbers or log-odds, or (N, classes) logits.
    train : callable or sequence of state dicts
        ``train(module, X, y, rng)`` trains a copy of the module on arrays and yields at each checkpoint, the last time
        when it is done; PyTorch's own generator is seeded from ``rng`` before. Or the state dicts of a training that
        is already done: then one run is audited, and evaluation points have to be named that were not trained on.
    task : str
        ``"regression"``, ``"binary"`` or ``"multiclass"``.
    loss : callable, optional
        ``loss(output, y)`` → (N,) tensor; by default squared error, or cross-entropy of the logits.
    quantize : sequence of str, optional
        Names of the parameters that quantizers act on; by default those with at least two dimensions.
    label : str
        Stored results belong to it: change it when ``train`` or ``loss`` changes.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    InputError
        If there is nothing to quantize, or a name is not that of a parameter.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> def train(module, X, y, rng):
    ...     optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    ...     features, target = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    ...     for epoch in range(5):
    ...         optimiser.zero_grad()
    ...         ((module(features)[:, 0] - target) ** 2).mean().backward()
    ...         optimiser.step()
    ...         yield
    >>> model = TorchModel(torch.nn.Linear(3, 1), train, task="regression")
    >>> X = np.random.default_rng(1).normal(size=(50, 3))
    >>> path = list(model.fit_path(X, X[:, 0], np.random.default_rng(2)))
    >>> len(path), model.quantizable(path[0])
    (5, (True, False))
    """

    def __init__(
        self,
        module: Any,
        train: Train | Sequence[Mapping[str, Any]],
        *,
        task: Task,
        loss: Callable[[Any, Any], Any] | None = None,
        quantize: Sequence[str] | None = None,
        label: str = "",
    ) -> None:
        torch = _torch()
        if not isinstance(module, torch.nn.Module):
            raise InputError("module", type(module).__name__, "a torch.nn.Module")
        if task not in TASKS:
            raise InputError("task", task, f"one of {', '.join(TASKS)}")
        if not callable(train) and (isinstance(train, Mapping) or not train):
            raise InputError("train", train, "a function that yields at checkpoints, or a list of state dicts")
        parameters = dict(module.named_parameters())
        chosen = [name for name, p in parameters.items() if p.ndim >= 2] if quantize is None else list(quantize)
        for name in chosen:
            if name not in parameters:
                raise InputError("quantize", name, f"names of parameters: {', '.join(parameters)}")
        if not chosen:
            raise InputError("quantize", chosen, "at least one parameter; none has two dimensions")
        self._module = copy.deepcopy(module)
        self._train = train
        self._task: Task = task
        self._loss = loss
        self._label = label
        self._names = tuple(module.state_dict())
        self._chosen = frozenset(chosen)
        self._working: Any = None

    @property
    def task(self) -> Task:
        """Kind of the target."""
        return self._task

    @property
    def trained_elsewhere(self) -> bool:
        """Whether the checkpoints were given: one run, and evaluation points that have to be named."""
        return not callable(self._train)

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train a copy by the user's function, or go through the given checkpoints; yield the weights."""
        torch = _torch()
        if not callable(self._train):
            for place, state in enumerate(self._train):
                missing = [name for name in self._names if name not in state]
                if missing:
                    raise InputError(f"state dict {place}", missing, "a state dict of the module: entries are missing")
                yield self._read(state)
            return
        module = copy.deepcopy(self._module)
        seeded = torch.Generator().manual_seed(int(rng.integers(2**63)))
        outside = torch.random.get_rng_state()
        own = seeded.get_state()
        steps = iter(self._train(module, X, y, rng))
        try:
            while True:
                torch.random.set_rng_state(own)
                module.train()
                try:
                    next(steps)
                except StopIteration:
                    return
                own = torch.random.get_rng_state()
                torch.random.set_rng_state(outside)
                yield self._read(module.state_dict())
        finally:
            torch.random.set_rng_state(outside)

    def _read(self, state: Mapping[str, Any]) -> Weights:
        return tuple(state[name].detach().cpu().double().numpy().copy() for name in self._names)

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return which entries of the state dict are quantized."""
        return tuple(name in self._chosen for name in self._names)

    def _outputs(self, weights: Weights, X: FloatArray) -> Iterator[tuple[slice, Any]]:
        """Yield outputs of the module with these weights, by batches, without gradients."""
        torch = _torch()
        if self._working is None:
            self._working = copy.deepcopy(self._module)
        module = self._working
        like = module.state_dict()
        module.load_state_dict(
            {n: torch.as_tensor(np.array(w)).to(like[n].dtype) for n, w in zip(self._names, weights, strict=True)}
        )
        module.eval()
        first = next(iter(module.parameters()))
        with torch.no_grad():
            for begin in range(0, len(X), _BATCH):
                rows = slice(begin, begin + _BATCH)
                yield rows, module(torch.as_tensor(np.array(X[rows])).to(first.dtype).to(first.device))

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        torch = _torch()
        found = np.empty(len(X))
        for rows, output in self._outputs(weights, X):
            target = torch.as_tensor(np.array(y[rows])).to(output.device)
            target = target.long() if self._task == "multiclass" else target.to(output.dtype)
            value = (self._default_loss if self._loss is None else self._loss)(output, target)
            if tuple(value.shape) != tuple(target.shape):
                raise InputError("loss", tuple(value.shape), f"one number a point, of shape {tuple(target.shape)}")
            found[rows] = value.cpu().double().numpy()
        return found

    def _default_loss(self, output: Any, target: Any) -> Any:
        functional = _torch().nn.functional
        if self._task == "multiclass":
            return functional.cross_entropy(output, target, reduction="none")
        flat = output.reshape(len(target))
        if self._task == "binary":
            return functional.binary_cross_entropy_with_logits(flat, target, reduction="none")
        return (flat - target) ** 2

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions: numbers or probabilities."""
        parts = []
        for _, output in self._outputs(weights, X):
            if self._task == "multiclass":
                parts.append(output.softmax(dim=1))
            else:
                flat = output.reshape(len(output))
                parts.append(flat.sigmoid() if self._task == "binary" else flat)
        return np.concatenate([part.cpu().double().numpy() for part in parts])

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model: structure, initial weights, name of the training function, label."""
        return {
            "model": " ".join(repr(self._module).split()),
            "initial": _digest(self._module.state_dict()),
            "train": _name(self._train) if callable(self._train) else [_digest(state) for state in self._train],
            "loss": "default" if self._loss is None else _name(self._loss),
            "quantized": sorted(self._chosen),
            "task": self._task,
            "label": self._label,
        }


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "to audit PyTorch modules", "torch") from None
    return torch


def _name(function: object) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _digest(state: Mapping[str, Any]) -> str:
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode() + np.ascontiguousarray(state[name].detach().cpu().double().numpy()).tobytes())
    return found.hexdigest()[:16]
