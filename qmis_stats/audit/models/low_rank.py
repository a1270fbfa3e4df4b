"""Low-rank adapters (LoRA): a module is fine-tuned in few numbers, and released with them merged into its weights."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qmis_stats.errors import InputError
from qmis_stats.validation import whole_number

if TYPE_CHECKING:
    import torch

__all__ = ["low_rank"]


def low_rank(
    module: torch.nn.Module, rank: int, *, adapted: Sequence[str] = ("*.weight",), trained: Sequence[str] = ()
) -> None:
    """Freeze a module but for adapters of low rank, in place: to be called first by the ``train`` of a TorchModel.

    A weight W becomes W + BA, with A of shape (rank, inputs) and B of shape (outputs, rank), as in LoRA (Hu et al.,
    arXiv 2106.09685): B is zero and A uniform with the variance 1/(3 inputs). Under its own name the module has the
    sum, which is what :class:`~qmis_stats.audit.models.torch_adapter.TorchModel` releases and quantizes. There is no
    factor α/rank: the learning rate takes its place.

    Parameters
    ----------
    module : torch.nn.Module
        The one that ``train`` was given.
    rank : int
        At least 1.
    adapted : sequence of str
        Names of weights, or patterns of them; those of linear layers that match get an adapter.
    trained : sequence of str
        Names of parameters, or patterns, that are trained as they are, such as those of a new head.

    Raises
    ------
    InputError
        If a pattern names nothing, an adapted weight is tied to another one, or the rank is no whole number from 1 on.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> low_rank(module, 2, adapted=["0.weight"], trained=["2.*"])
    >>> sorted(tuple(p.shape) for p in module.parameters() if p.requires_grad)
    [(1,), (1, 8), (2, 8), (8, 2)]
    """
    import torch
    from torch.nn.utils import parametrize

    whole_number("rank", rank, 1, 2**20)
    names = [name for name, _ in module.named_parameters()]
    whole = _matching("trained", trained, names)
    layers = {
        f"{place}.weight".removeprefix("."): part
        for place, part in module.named_modules()
        if isinstance(part, torch.nn.Linear)
    }
    chosen = [name for name in _matching("adapted", adapted, list(layers)) if name not in whole]
    by_name = dict(module.named_parameters(remove_duplicate=False))
    for name in chosen:
        if tied := [other for other, p in by_name.items() if p is by_name.get(name) and other != name]:
            raise InputError("adapted", name, f"weights that are not tied to others, such as {tied[0]}")
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in whole)
    for name in chosen:
        parametrize.register_parametrization(layers[name], "weight", _adapter(layers[name].weight, rank))


def _matching(field: str, patterns: Sequence[str], names: list[str]) -> list[str]:
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(field, patterns, "a list of names, or of patterns of them")
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise InputError(field, pattern, f"names, or patterns of them: {', '.join(names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _adapter(weight: torch.Tensor, rank: int) -> Any:
    import torch

    class Adapter(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            outputs, inputs = weight.shape
            reach = 1.0 / math.sqrt(inputs)
            self.A = torch.nn.Parameter(weight.new_empty(rank, inputs).uniform_(-reach, reach))
            self.B = torch.nn.Parameter(weight.new_zeros(outputs, rank))

        def forward(self, own: torch.Tensor) -> torch.Tensor:
            return own + self.B @ self.A

    return Adapter()
