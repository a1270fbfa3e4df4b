"""The generator: published known answers and the counter layout."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend, reference
from qmis_kernels.philox import philox
from qmis_kernels.vectors import philox_answers

KNOWN = philox_answers()


def test_all_known_answers_are_read() -> None:
    assert len(KNOWN) == 3


@pytest.mark.parametrize("case", KNOWN)
def test_known_answers(case: dict[str, int]) -> None:
    counter = [np.uint64(case[f"c{i}"]) for i in range(4)]
    key = [np.uint64(case[f"k{i}"]) for i in range(2)]
    expected = [case[f"w{i}"] for i in range(4)]
    assert [int(word) for word in philox(*counter, *key)] == expected
    words = reference.philox(tuple(np.array([word]) for word in counter), (key[0], key[1]))
    assert [int(word[0]) for word in words] == expected


def test_one_changed_bit_changes_the_answer() -> None:
    zero = np.uint64(0)
    assert philox(zero, zero, zero, np.uint64(1), zero, zero) != philox(zero, zero, zero, zero, zero, zero)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_counter_layout(name: str) -> None:
    """A draw is found again from its counter (replicate, block, stream) and its key (seed, experiment)."""
    replicate, seed, experiment, stream = 5 * 2**32 + 9, 11, 12, 13
    words = philox(*(np.uint64(word) for word in (9, 5, 1, stream, seed, experiment)))
    expected = [
        float(((low + (high << 32)) >> 11) | 1) * 2.0**-53
        for low, high in ((int(words[0]), int(words[1])), (int(words[2]), int(words[3])))
    ]
    found = backend(name).uniforms((seed, experiment), stream, replicate, 1, 4)
    assert found[0, 2:].tolist() == expected


def test_addresses_do_not_collide() -> None:
    """All parts of an address matter, also across the boundary between the words of the replicate number."""
    table = backend()
    rows = [
        table.uniforms((seed, experiment), stream, first, 40, 5)
        for seed in (0, 1)
        for experiment in (0, 1)
        for stream in (0, 1)
        for first in (0, 40, 2**32 - 20, 2**33 - 20)
    ]
    assert np.unique(np.stack(rows)).size == 2**5 * 40 * 5
