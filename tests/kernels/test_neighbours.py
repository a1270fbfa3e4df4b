"""Neighbouring addresses are unrelated: every bit of seed, experiment, stream, replicate and block counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend
from qmis_kernels.uniform import fill_uniforms

Address = tuple[int, int, int, int, int]
PARTS = {"seed": 32, "experiment": 32, "stream": 32, "replicate": 63, "block": 32}
"""Parts of an address in the order of :data:`Address`, with their numbers of bits."""

BASE: Address = (0x1234ABCD, 0x0F0F3C5A, 77, 2**40 + 12345 * 2**16, 0)
SIZE = 2**14


def pair(address: Address) -> np.ndarray:
    """Return the two uniforms of one block."""
    seed, experiment, stream, replicate, block = address
    out = np.empty(2)
    source = (np.uint64(seed), np.uint64(experiment), np.uint64(stream))
    fill_uniforms(out, source, np.uint64(replicate), np.uint64(block))
    return out


def changed(address: Address, part: str, mask: int) -> Address:
    """Return the address with the bits of ``mask`` flipped in one part."""
    at = list(PARTS).index(part)
    flipped = list(address)
    flipped[at] ^= mask
    return tuple(flipped)  # type: ignore[return-value]


def many(address: Address) -> np.ndarray:
    """Return the uniforms of one block at SIZE consecutive replicates, shape (SIZE, 2)."""
    seed, experiment, stream, replicate, block = address
    if block == 0:
        return backend().uniforms((seed, experiment), stream, replicate, SIZE, 2)
    return np.stack([pair((seed, experiment, stream, replicate + r, block)) for r in range(SIZE)])


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the z-score of the mean product of centred uniforms, of exact variance 1/144."""
    return float(12.0 * np.sum((x - 0.5) * (y - 0.5)) / np.sqrt(x.size))


def replicates_apart(bit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the uniforms of replicates that differ in one bit, each pair once."""
    base = many(BASE)
    if 1 << bit >= SIZE:
        return base, many(changed(BASE, "replicate", 1 << bit))
    number = np.arange(SIZE)
    clear = number[number & (1 << bit) == 0]
    return base[clear], base[clear ^ (1 << bit)]


@pytest.mark.statistical
@pytest.mark.parametrize("part", ["seed", "experiment", "stream"])
def test_changed_bits_of_key_and_stream(part: str, largest_z: float) -> None:
    base = many(BASE)
    for bit in range(PARTS[part]):
        other = many(changed(BASE, part, 1 << bit))
        for i in (0, 1):
            for j in (0, 1):
                assert abs(correlation(base[:, i], other[:, j])) < largest_z, bit


@pytest.mark.statistical
def test_changed_bits_of_the_replicate(largest_z: float) -> None:
    for bit in range(PARTS["replicate"]):
        left, right = replicates_apart(bit)
        for i in (0, 1):
            for j in (0, 1):
                assert abs(correlation(left[:, i], right[:, j])) < largest_z, bit


@pytest.mark.statistical
def test_changed_bits_of_the_block(largest_z: float) -> None:
    base = many(BASE)
    for bit in (0, 1, 2, 7, 15, 31):
        other = many(changed(BASE, "block", 1 << bit))
        for i in (0, 1):
            for j in (0, 1):
                assert abs(correlation(base[:, i], other[:, j])) < largest_z, bit


@pytest.mark.statistical
@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 64])
def test_neighbouring_numbers(lag: int, largest_z: float) -> None:
    """Draws, replicates, streams, experiments and seeds that differ by a small number."""
    table = backend()
    seed, experiment, stream, replicate, _ = BASE
    base = many(BASE)[:, 0]
    draws = table.uniforms((seed, experiment), stream, replicate, 2000, 128)
    assert abs(correlation(draws[:, :-lag].ravel(), draws[:, lag:].ravel())) < largest_z
    first = table.uniforms((seed, experiment), stream, replicate, 200_000, 1)[:, 0]
    assert abs(correlation(first[:-lag], first[lag:])) < largest_z
    for other in (
        many((seed + lag, experiment, stream, replicate, 0)),
        many((seed, experiment + lag, stream, replicate, 0)),
        many((seed, experiment, stream + lag, replicate, 0)),
    ):
        assert abs(correlation(base, other[:, 0])) < largest_z


def test_the_same_numbers_at_a_lag_are_seen(largest_z: float) -> None:
    """The control: a tenth of the numbers are those of the neighbour."""
    base, other = many(BASE)[:, 0], many(changed(BASE, "seed", 1))[:, 0]
    other[::10] = base[::10]
    assert abs(correlation(base, other)) > largest_z


def outputs(addresses: list[Address]) -> np.ndarray:
    """Return the 104 random bits of the first block of each address."""
    numbers = (np.stack([pair(address) for address in addresses]) * 2.0**53).astype(np.uint64) >> np.uint64(1)
    return ((numbers[:, :, None] >> np.arange(52, dtype=np.uint64)) & np.uint64(1)).reshape(len(addresses), 104)


def two_rounds(addresses: list[Address]) -> np.ndarray:
    """The control: the 128 bits of Philox with 2 of its 10 rounds."""
    rows = []
    for seed, experiment, stream, replicate, block in addresses:
        c = [replicate % 2**32, replicate >> 32, block, stream]
        for turn in range(2):
            left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            k0, k1 = (seed + turn * 0x9E3779B9) % 2**32, (experiment + turn * 0xBB67AE85) % 2**32
            c = [(right >> 32) ^ c[1] ^ k0, right % 2**32, (left >> 32) ^ c[3] ^ k1, left % 2**32]
        rows.append([(word >> b) & 1 for word in c for b in range(32)])
    return np.array(rows, dtype=np.uint64)


def worst_avalanche(part: str, generate: Callable[[list[Address]], np.ndarray]) -> tuple[float, float]:
    """Return the smallest p-values over the bits of one part: of all output bits together, and of single ones.

    Flipping an input bit flips each output bit with probability 1/2: counts are binomial. Both are multiplied by the
    number of counts they are the smallest of.
    """
    rng = np.random.default_rng(5)
    bases = [tuple(int(rng.integers(0, 2**bits)) for bits in PARTS.values()) for _ in range(64)]
    before = generate(bases)
    together, single = 1.0, 1.0
    for bit in range(PARTS[part]):
        flips = before ^ generate([changed(base, part, 1 << bit) for base in bases])
        counts = flips.sum(axis=0)
        extreme = int(max(counts.max(), len(bases) - counts.min()))
        single = min(single, 2.0 * float(stats.binom.sf(extreme - 1, len(bases), 0.5)))
        together = min(together, float(stats.binomtest(int(flips.sum()), flips.size).pvalue))
    return PARTS[part] * together, PARTS[part] * before.shape[1] * single


@pytest.mark.statistical
@pytest.mark.parametrize("part", PARTS)
def test_one_flipped_bit_flips_half_of_the_output(part: str, alpha: float) -> None:
    together, single = worst_avalanche(part, outputs)
    assert together > alpha
    assert single > alpha


@pytest.mark.parametrize("part", PARTS)
def test_two_rounds_do_not_spread_a_flipped_bit(part: str, alpha: float) -> None:
    assert min(worst_avalanche(part, two_rounds)) < alpha
