"""Codes derived from released values: the same codewords as the quantizers' own codes, or a note that says why not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from qmis_stats.audit.algorithm import audit
from qmis_stats.audit.codewords import Codewords
from qmis_stats.audit.derived_codes import derived_codes
from qmis_stats.audit.models import Logistic
from qmis_stats.quantizers import quantizer

pytestmark = pytest.mark.grid(2)

NAMES = (
    *("sign", "sign-scaled", "ternary-absmean", "twn-0.7", "sparse-50", "uniform-3", "uniform-4", "uniform-8"),
    *(
        "uniform-asym-4",
        "nf4",
        "log2-4",
        "sign-scaled:channel",
        "uniform-3:channel",
        "uniform-asym-4:channel",
        "nf4-16",
    ),
)


@dataclass(frozen=True)
class Bare:
    """Releases what another quantizer does, and says nothing else."""

    inner: object
    single: bool = False
    bits: float = 4.0

    @property
    def name(self):
        return f"bare {self.inner.name}"

    def quantize(self, weights):
        values = self.inner.quantize(weights)
        return values.astype(np.float32) if self.single else values


def path_of(shape, rng):
    """Weights that move as in a training run, then some of them again, larger."""
    start, way = rng.normal(size=(2, *shape))
    path = [start + 0.02 * t * way for t in range(40)]
    return path + [1.3 * weights for weights in path[::4]]


def partition(marks):
    first = {}
    return [first.setdefault(mark, len(first)) for mark in marks]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_they_are_the_quantizers_own(name, single):
    own = quantizer(name)
    for seed, shape in enumerate(((1, 30), (4, 40), (8, 64), (50,), (3, 2, 5), (1, 4))):
        path = path_of(shape, np.random.default_rng(seed))
        given, derived = Codewords(own), Codewords(Bare(own, single))
        expected = partition([given.of((weights,), (True,))[1] for weights in path])
        assert partition([derived.of((weights,), (True,))[1] for weights in path]) == expected
        assert not derived.with_scales
        assert 1 < max(expected) + 1 <= len(path)


@pytest.mark.parametrize(("size", "shape"), [(16, (4, 40)), (64, (2, 200)), (128, (8, 64)), (32, (300,))])
def test_scales_of_blocks(size, shape):
    """Blocks along the flat tensor; codes of one block may not be mixed up with those of another scale."""

    def blocks(weights):
        flat = weights.ravel()
        parts = [flat[begin : begin + size] for begin in range(0, flat.size, size)]
        return np.concatenate([np.sign(p) * np.abs(p).mean() for p in parts]).reshape(weights.shape)

    found = derived_codes(blocks, shape)
    assert np.array_equal(found.groups.ravel(), np.arange(np.prod(shape)) // size)
    assert found.settled
    weights = np.random.default_rng(1).normal(size=shape)
    assert np.array_equal(found.of(blocks(weights)), np.sign(weights))


def test_a_fixed_grid_is_never_divided():
    """[0.5, 0] and [1, 0] are two codewords of a grid, and one of a scaled sign."""

    class Grid:
        name, bits = "grid", 3.0

        def quantize(self, weights):
            return 0.5 * np.round(2.0 * np.asarray(weights))

    small, large = np.array([[0.5, 0.0]]), np.array([[1.0, 0.0]])
    for tiny in (0.0, 1e-3):
        words = Codewords(Grid())
        words.of((tiny * small,), (True,))  # a first checkpoint where all is zero
        assert words.of((small,), (True,))[1] != words.of((large,), (True,))[1]
        assert not words.with_scales


@pytest.mark.parametrize("name", ["lloyd-max-2", "kmeans-3"])
@pytest.mark.parametrize("single", [False, True])
def test_levels_that_move_are_seen(name, single):
    words = Codewords(Bare(quantizer(name), single))
    words.of((np.random.default_rng(1).normal(size=(8, 64)),), (True,))
    assert words.with_scales


def test_two_ways_to_write_a_quantizer_are_one_in_an_audit(binary, tmp_path):
    scaled, searched = quantizer("sign-scaled"), quantizer("lloyd-max-1")
    chosen = [scaled, Bare(scaled), searched, Bare(searched)]
    result = audit(binary, Logistic(checkpoints=12), chosen, runs=4, seed=1, draws=199, store=tmp_path)
    own, bare = (result.visited[name] for name in ("sign-scaled", "bare sign-scaled"))
    assert np.array_equal(own.losses, bare.losses)
    assert own.seen.size == bare.seen.size > 1
    assert result.indicators()["sign-scaled"] == result.indicators()["bare sign-scaled"]
    assert [note.partition(":")[0] for note in result.notes if "no codes" in note] == ["bare lloyd-max-1"]
    again = audit(binary, Logistic(checkpoints=12), chosen, runs=4, seed=1, draws=199, store=tmp_path)
    assert again.notes == result.notes
    assert replace(again.runs[0], seconds=0.0).with_scales == ("bare lloyd-max-1",)
    everything = audit(binary, Logistic(checkpoints=3), chosen, runs=1, identify="released")
    assert not any("no codes" in note for note in everything.notes)
