"""PyTorch modules (extra ``torch``): trained by the user's own code, quantized on a copy."""

from __future__ import annotations

import copy
import fnmatch
import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import TASKS, Task
from qmis_stats.audit.models.base import Weights, output_losses, output_prediction
from qmis_stats.audit.models.stored_release import StoredRelease
from qmis_stats.audit.models.torch_states import Entries, entries, merged, tensors
from qmis_stats.errors import InputError, extra_module
from qmis_stats.foreign import reason_of
from qmis_stats.validation import one_of

__all__ = ["TorchModel"]

_BATCH = 4096
_COMPARED, _COARSEST = 16, 0.05
"""Points on which a trained module is compared with its entries, and the largest relative difference of half types."""

_HALF = 2.0**-8
_NONE = 2.0**-24
"""Relative error of bfloat16, in which entries that no quantizer acts on may be stored, and of what vanishes."""

Train = Callable[[Any, FloatArray, FloatArray, np.random.Generator], Iterable[object]]
"""Trains the module that it is given in place, and yields (anything) at each checkpoint."""

Checkpoint: TypeAlias = Any
"""A state dict, a dictionary that holds one, the path of either or of a GGUF file, or a module."""


class TorchModel:
    """Any :class:`torch.nn.Module` as a model; the module that is given is never changed.

    Released are its parameters and buffers, each array once: entries that are tied (``b.weight = a.weight``) are
    quantized together. Losses are computed in float64, whatever the module's own type.

    Parameters
    ----------
    module : torch.nn.Module
        Its output for a batch is one tensor: (N,) or (N, 1) numbers or log-odds, (N, 2) logits for a binary task, or
        (N, classes) logits.
    train : callable or sequence of state dicts
        ``train(module, X, y, rng)`` trains a copy of the module on arrays and yields at each checkpoint, the last time
        when it is done; PyTorch's own generator is seeded from ``rng`` before. What it sets has to be a parameter or a
        buffer of the module; it may register parametrizations, as :func:`low_rank
        <qmis_stats.audit.models.low_rank.low_rank>` does: released is the sum of the weight and its adapter.
        Or the checkpoints of a training run that is already done: state dicts, dictionaries that hold one, paths of
        either (``.safetensors``, ``.gguf``, or what ``torch.save`` wrote), or modules; then one run is audited, and
        evaluation points have to be named that were not trained on. A quantized one is audited as the numbers that its
        codes and scales stand for.
    task : str
        ``"regression"``, ``"binary"`` or ``"multiclass"``.
    loss : callable, optional
        ``loss(output, y)`` → (N,) tensor, of float64 tensors; by default squared error, or cross-entropy of the logits.
    quantize : sequence of str, optional
        Names of the parameters that quantizers act on, or patterns such as ``"blocks.*.weight"``; by default those with
        at least two dimensions that are not only looked up: no biases, norms and embeddings.
    initial : {"common", "fresh"}
        Whether every run starts from the weights that the module has now, or from weights drawn anew in each run, by
        the ``reset_parameters`` of its layers. Runs with common initial weights differ by their points and by what
        ``train`` draws, so that intervals over runs do not contain the spread between initial weights.
    integers : bool, optional
        Whether the module, and ``train``, get the features as integers (token ids) and not in the type of its
        parameters; by default those with an embedding do, where all features are whole numbers.
    label : str
        Stored results belong to it: change it when ``train`` or ``loss`` changes.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    InputError
        If there is nothing to quantize, a name is not that of a parameter, or the module cannot be copied.

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
        train: Train | Sequence[Checkpoint],
        *,
        task: Task,
        loss: Callable[[Any, Any], Any] | None = None,
        quantize: Sequence[str] | None = None,
        initial: Literal["common", "fresh"] = "common",
        integers: bool | None = None,
        label: str = "",
    ) -> None:
        torch = _torch()
        if not isinstance(module, torch.nn.Module):
            raise InputError("module", type(module).__name__, "a torch.nn.Module")
        one_of("task", task, TASKS)
        if initial not in ("common", "fresh"):
            raise InputError("initial", initial, "'common' or 'fresh'")
        self._entries = entries(module)
        self._module = _copied(module)
        self._train = train if callable(train) else _checkpoints(train)
        self._task: Task = task
        self._loss = loss
        self._label = label
        self._initial = initial
        self._integers = integers
        self._chosen = frozenset(_quantized(module, self._entries, quantize))
        self._working: Any = None
        if initial == "fresh":
            _check_resettable(module)

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
        if not callable(self._train):
            for place in range(len(self._train)):
                yield tuple(self._given(place).values())
            return
        torch = _torch()
        module = copy.deepcopy(self._module)
        seeded = torch.Generator().manual_seed(int(rng.integers(2**63)))
        outside = torch.random.get_rng_state()
        own = seeded.get_state()
        steps: Iterator[object] | None = None
        module.train()
        try:
            while True:
                torch.random.set_rng_state(own)
                if steps is None:
                    if self._initial == "fresh":
                        _reset(module)
                    steps = _steps(self._train(module, self._features(X), y, rng))
                try:
                    next(steps)
                except StopIteration:
                    return
                own = torch.random.get_rng_state()
                weights = tuple(self._entries.arrays(merged(module), "module after train").values())
                self._check_trained(module, weights, X)
                torch.random.set_rng_state(outside)
                yield weights
        finally:
            torch.random.set_rng_state(outside)

    def _given(self, place: int) -> dict[str, FloatArray]:
        """Return the arrays of a checkpoint that was given; buffers that are never stored are the module's own."""
        assert not callable(self._train)
        return self._complete(self._train[place], f"state dict {place}")

    def _complete(self, checkpoint: Any, where: str) -> dict[str, FloatArray]:
        state = self._entries.state(checkpoint, where)
        return self._entries.arrays(tensors(self._module) | state, where)

    def released(self, artefact: Any, name: str, bits: float = math.nan) -> StoredRelease:
        """Return a quantized form of the model that was given, as a quantizer that an audit compares with others.

        Parameters
        ----------
        artefact : mapping, path or torch.nn.Module
            A GGUF or safetensors file, what ``torch.save`` wrote, a state dict or a quantized module, under the names
            of this module's entries: by torchao, optimum-quanto, bitsandbytes, HQQ, PyTorch's ``quantize_dynamic``, or
            integers with scales. Its codes and scales are taken for the numbers that they stand for.
        name : str
            Its name in tables.
        bits : float
            Bits per weight, scales included, if they are known.

        Raises
        ------
        InputError
            If the model was not given with exactly one checkpoint, or if the artefact holds no state of this module,
            cannot be read, or changes entries that ``quantize`` does not name.
        MissingExtraError
            If a library is needed to read it and not installed.

        Examples
        --------
        >>> import pytest
        >>> torch = pytest.importorskip("torch")
        >>> module = torch.nn.Linear(3, 1)
        >>> model = TorchModel(module, [module.state_dict()], task="regression")
        >>> codes = {"weight": torch.tensor([[1, -1, 0]], dtype=torch.int8), "weight_scale": torch.tensor([0.5])}
        >>> release = model.released({**codes, "bias": module.bias}, "int8", bits=8.0)
        >>> release.quantize(module.weight.detach().numpy()).tolist()
        [[0.5, -0.5, 0.0]]
        """
        if callable(self._train) or len(self._train) != 1:
            raise InputError("released", name, "asked of a model with one checkpoint: TorchModel(module, [state], ...)")
        own = self._given(0)
        found = self._complete(artefact, name)
        for entry, array in own.items():
            near = np.allclose(array, found[entry], rtol=_HALF, atol=_NONE * float(np.max(np.abs(array), initial=0.0)))
            if entry not in self._chosen and not near:
                allowed = f"that of the float model, or named by quantize: {', '.join([*sorted(self._chosen), entry])}"
                raise InputError(f"{name}: {entry}", "another", allowed)
        chosen = [entry for entry in own if entry in self._chosen]
        return StoredRelease.of(name, [own[entry] for entry in chosen], [found[entry] for entry in chosen], bits)

    def _check_trained(self, module: Any, weights: Weights, X: FloatArray) -> None:
        """Refuse a module whose outputs are not those of its parameters and buffers: ``train`` set something else."""
        torch = _torch()
        rows = self._features(X)[:_COMPARED]
        training = {part: part.training for part in module.modules()}
        with torch.no_grad():
            own = self._output(module.eval(), rows).cpu()
            try:
                copied = self._output(self._loaded(weights), rows).cpu()
            except InputError:  # a module that needs what was set beside its entries
                copied = torch.empty(0)
        for part, was in training.items():
            part.training = was
        if not _close(own, copied):
            raise InputError(
                "train",
                _name(self._train),
                "a function that changes parameters and buffers only: the trained module gives other outputs than they "
                "do; what it sets besides belongs into register_buffer, structure does not change, nothing is drawn at "
                "random in eval mode",
            )

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return which arrays are quantized."""
        return tuple(name in self._chosen for name in self._entries.shapes)

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the quantized arrays, in the order of the state dict."""
        return tuple(name for name in self._entries.shapes if name in self._chosen)

    def _loaded(self, weights: Weights) -> Any:
        """Return the working copy with these weights."""
        torch = _torch()
        if self._working is None:
            self._working = copy.deepcopy(self._module)
        there = tensors(self._working)
        with torch.no_grad():
            for name, array in zip(self._entries.shapes, weights, strict=True):
                there[name].copy_(torch.as_tensor(np.array(array)))
        return self._working.eval()

    def _takes_integers(self, X: NDArray[Any]) -> bool:
        """Return whether the module gets these features as integers."""
        if self._integers is False or (self._integers is None and not _embeds(self._module)):
            return False
        whole = np.floor(X) == X
        if self._integers and not whole.all():
            raise InputError("X", float(X[~whole][0]), "whole numbers: the module takes integers")
        return bool(whole.all())

    def _features(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the features as float64, or as int64 where the module takes integers."""
        return X.astype(np.int64 if self._takes_integers(X) else np.float64, copy=False)

    def _output(self, module: Any, X: NDArray[Any]) -> Any:
        """Return what the module makes of a batch of features, one tensor of real numbers."""
        torch = _torch()
        like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
        inputs = torch.as_tensor(np.array(X)).to(like.device)
        inputs = inputs if X.dtype == np.int64 else inputs.to(like.dtype)
        try:
            output = module(inputs)
        except Exception as error:
            reason = reason_of(error)
            allowed = f"one that takes {inputs.dtype} of shape {tuple(inputs.shape)} ({reason})"
            raise InputError("module", type(module).__name__, allowed) from error
        if not isinstance(output, torch.Tensor) or output.is_complex():
            what = type(output).__name__ if not isinstance(output, torch.Tensor) else str(output.dtype)
            raise InputError("module: output", what, "one tensor of real numbers: wrap the module to return only that")
        return output

    def _outputs(self, weights: Weights, X: FloatArray) -> Iterator[tuple[slice, Any]]:
        """Yield outputs of the module with these weights in float64, by batches, without gradients."""
        torch = _torch()
        module = self._loaded(weights)
        X = self._features(X)  # decided for all points at once
        for begin in range(0, len(X), _BATCH):
            rows = slice(begin, begin + _BATCH)
            with torch.no_grad():
                output = self._output(module, X[rows]).double()
            yield rows, output

    def layer_inputs(self, weights: Weights, X: FloatArray) -> dict[str, FloatArray]:
        """Return what the layer of each quantized array is given, a row for each point, or for each token of one.

        Raises
        ------
        InputError
            If one is not the weight of a linear layer that the module calls.
        """
        torch = _torch()
        module = self._loaded(weights)
        given: dict[str, list[Any]] = {name: [] for name in self._entries.shapes if name in self._chosen}

        def kept_in(seen: list[Any]) -> Callable[..., None]:
            def keep(_: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
                whole = (*inputs, *named.values())[0].detach()
                seen.append(whole.reshape(-1, whole.shape[-1]))

            return keep

        hooks = []
        for place, part in module.named_modules():
            name = self._entries.first.get(f"{place}.weight".removeprefix("."))
            if isinstance(part, torch.nn.Linear) and name in given:
                hooks.append(part.register_forward_pre_hook(kept_in(given[name]), with_kwargs=True))
        try:
            with torch.enable_grad():  # without gradients some blocks do not call their layers
                self._output(module, self._features(X))
        finally:
            for hook in hooks:
                hook.remove()
        for name, seen in given.items():
            if not seen:
                allowed = "weights of torch.nn.Linear layers that the module calls: others cannot be calibrated"
                raise InputError("quantize", name, allowed)
        return {name: torch.cat(seen).double().cpu().numpy() for name, seen in given.items()}

    def _scores(self, output: Any, count: int) -> FloatArray:
        """Return outputs as (N, C): one number or log-odds per point, or logits of all classes."""
        found: FloatArray = output.cpu().numpy()
        if self._task == "multiclass":
            if found.ndim == 2 and len(found) == count and found.shape[1] > 1:
                return found
            allowed = f"({count}, classes): logits of every class"
        else:
            if self._task == "binary" and found.shape == (count, 2):
                return found[:, 1:] - found[:, :1]
            if found.size == count:
                return found.reshape(count, 1)
            allowed = f"({count},) or ({count}, 1)" + (f", or ({count}, 2) logits" if self._task == "binary" else "")
        raise InputError("module: shape of the output", found.shape, f"{allowed} for a {self._task} task")

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        found = np.empty(len(X))
        for rows, output in self._outputs(weights, X):
            if self._loss is None:
                scores = self._scores(output, len(y[rows]))
                if self._task == "multiclass" and y[rows].max() >= scores.shape[1]:
                    classes = int(y[rows].max()) + 1
                    raise InputError(
                        "module: shape of the output", scores.shape, f"logits of at least {classes} classes"
                    )
                found[rows] = output_losses(scores, y[rows], self._task)
            else:
                found[rows] = self._own_loss(output, y[rows])
        return found

    def _own_loss(self, output: Any, y: FloatArray) -> FloatArray:
        torch = _torch()
        assert self._loss is not None
        target = torch.as_tensor(np.array(y)).to(output.device)
        with torch.no_grad():
            value: Any = self._loss(output, target.long() if self._task == "multiclass" else target)
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        if shape != tuple(target.shape):
            raise InputError("loss", shape, f"one number per point, a tensor of shape {tuple(target.shape)}")
        return np.asarray(value.cpu().double().numpy())

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions: numbers or probabilities."""
        parts = [self._scores(output, len(X[rows])) for rows, output in self._outputs(weights, X)]
        return output_prediction(np.concatenate(parts), self._task)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model: structure, initial weights, name of the training function, label."""
        given = [] if callable(self._train) else [_digest(self._given(place)) for place in range(len(self._train))]
        return {
            "model": " ".join(repr(self._module).split()),
            "initial": _digest(self._entries.arrays(tensors(self._module), "module")),
            "train": _name(self._train) if callable(self._train) else given,
            "loss": "default" if self._loss is None else _name(self._loss),
            "quantized": sorted(self._chosen),
            "task": self._task,
            "label": self._label,
            **({} if self._initial == "common" else {"starts": self._initial}),
            **({} if self._integers is None else {"integers": self._integers}),
        }


def _close(own: Any, copied: Any) -> bool:
    """Return whether outputs agree as far as the coarser of their types can tell."""
    torch = _torch()
    if own.shape != copied.shape:
        return False
    coarse = max((torch.finfo(o.dtype).eps for o in (own, copied) if o.is_floating_point()), default=0.0)
    tolerance = min(_COARSEST, 3.0 * coarse**0.5)
    own, copied = own.double(), copied.double()
    size = float(own[own.isfinite()].abs().max()) if own.isfinite().any() else 0.0
    return bool(torch.allclose(own, copied, rtol=tolerance, atol=tolerance * size, equal_nan=True))


def _copied(module: Any) -> Any:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        allowed = f"one that copy.deepcopy can copy ({str(error).split('. ')[0]})"
        if "weight_norm" in str(error):  # in PyTorch's own words, whichever hook made the weights
            allowed += (
                "; torch.nn.utils.parametrizations.weight_norm can, weight_norm and prune before prune.remove cannot"
            )
        raise InputError("module", type(module).__name__, allowed) from None


def _checkpoints(train: object) -> tuple[Checkpoint, ...]:
    many = isinstance(train, Iterable) and not isinstance(train, (Mapping, str, os.PathLike))
    found: tuple[Checkpoint, ...] = tuple(train) if many else ()  # type: ignore[arg-type]
    if not found:
        raise InputError("train", train, "a function that yields at checkpoints, or a list of state dicts or paths")
    return found


def _quantized(module: Any, known: Entries, quantize: Sequence[str] | None) -> list[str]:
    """Return the first names of the parameters that quantizers act on."""
    torch = _torch()
    parameters = dict(module.named_parameters(remove_duplicate=False))
    if quantize is None:
        tables = torch.nn.Embedding, torch.nn.EmbeddingBag
        looked_up = {f"{place}.weight" for place, part in module.named_modules() if isinstance(part, tables)}
        chosen = [name for name, p in parameters.items() if p.ndim >= 2 and name not in looked_up]
        if not chosen:
            raise InputError("quantize", list(parameters), "named: none of these is a matrix outside of embeddings")
        return [known.first[name] for name in chosen]
    if isinstance(quantize, str) or not all(isinstance(pattern, str) for pattern in quantize):
        raise InputError("quantize", quantize, "a list of names of parameters, or of patterns of them")
    chosen = []
    for pattern in quantize:
        found = fnmatch.filter(parameters, pattern)
        if not found:
            raise InputError("quantize", pattern, f"names of parameters, or patterns of them: {', '.join(parameters)}")
        chosen += [name for name in found if name not in chosen]
    if not chosen:
        raise InputError("quantize", list(quantize), "at least one name or pattern")
    return [known.first[name] for name in chosen]


def _steps(returned: object) -> Iterator[object]:
    if not isinstance(returned, Iterable):
        raise InputError("train", f"a function that returns {returned!r}", "one that yields at each checkpoint")
    return iter(returned)


_RESETS = ("reset_parameters", "_reset_parameters")


def _check_resettable(module: Any) -> None:
    """Refuse parameters that no layer around them can draw anew."""
    parts = dict(module.named_modules())
    for name, _ in module.named_parameters():
        path = name.split(".")[:-1]
        around = [".".join(path[:depth]) for depth in range(len(path) + 1)]
        if not any(hasattr(parts[place], reset) for place in around for reset in _RESETS):
            raise InputError("initial", "fresh", f"'common', or {name} in a layer with a method reset_parameters")


def _reset(module: Any) -> None:
    for part in reversed(list(module.modules())):  # layers before what they are part of
        reset = next((getattr(part, name) for name in _RESETS if hasattr(part, name)), None)
        if reset is not None:
            reset()


def _embeds(module: Any) -> bool:
    torch = _torch()
    return any(isinstance(part, (torch.nn.Embedding, torch.nn.EmbeddingBag)) for part in module.modules())


def _torch() -> Any:
    return extra_module("torch", "to audit PyTorch modules", "torch")


def _name(function: object) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _digest(arrays: Mapping[str, FloatArray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()[:16]
