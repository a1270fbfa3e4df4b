"""Random words and uniforms by their addresses: Philox4x32-10."""

from __future__ import annotations

import numpy as np

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Key, Matrix, Words

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[np.uint64, np.uint64]) -> tuple[Words, ...]:
    """Return the four 32-bit words of Philox4x32-10, each in an array of unsigned 64-bit integers."""
    c0, c1, c2, c3 = counter
    for turn in range(10):
        k0 = np.uint64((int(key[0]) + turn * 0x9E3779B9) % 2**32)
        k1 = np.uint64((int(key[1]) + turn * 0xBB67AE85) % 2**32)
        left, right = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (right >> _HALF) ^ c1 ^ k0, right & _MASK, (left >> _HALF) ^ c3 ^ k1, left & _MASK
    return c0, c1, c2, c3


def words_from(key: Key, stream: int, replicates: Words, blocks: Words) -> tuple[Words, ...]:
    """Return the four words of each block of each replicate, each of shape (replicates, blocks)."""
    seed, experiment, purpose = checks.source(key, stream)
    number = np.broadcast_to(replicates[:, None], (replicates.size, blocks.size))
    block = np.broadcast_to(blocks[None, :], number.shape)
    return philox((number & _MASK, number >> _HALF, block, np.full(number.shape, purpose)), (seed, experiment))


def _blocks(key: Key, stream: int, replicates: Words, blocks: Words) -> Matrix:
    """Return the uniforms of each block of each replicate, shape (replicates, 2 blocks)."""
    w0, w1, w2, w3 = words_from(key, stream, replicates, blocks)
    words = np.stack([w0 | (w1 << _HALF), w2 | (w3 << _HALF)], axis=-1)
    odd = (words >> np.uint64(11)) | np.uint64(1)
    return (odd.astype(np.float64) * 2.0**-53).reshape(replicates.size, 2 * blocks.size)


def draws_from(key: Key, stream: int, replicates: Words, block: int, draws: int) -> Matrix:
    """Return the first ``draws`` uniforms from block number ``block`` on."""
    blocks = np.arange(block, block + (draws + 1) // 2, dtype=np.uint64)
    return _blocks(key, stream, replicates, blocks)[:, :draws]


def replicate_numbers(first: int, count: int) -> Words:
    """Return the numbers of the replicates."""
    start, count = checks.replicates(first, count)
    return start + np.arange(count, dtype=np.uint64)


def uniforms(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return uniforms, strictly between 0 and 1.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    draws : int
        Numbers for each replicate, in [0, 2^33): draw t is half t % 2 of block t // 2.

    Returns
    -------
    ndarray of float64, shape (count, draws)
        Odd multiples of 2^-53.

    Raises
    ------
    ValueError
        If an argument is out of its range, as in all functions of the table.

    Examples
    --------
    >>> uniforms((0, 0), 0, 0, 1, 2).round(4)
    array([[0.8805, 0.6055]])
    """
    _, count = checks.replicates(first, count)
    checks.room("uniforms", (count, checks.integer("draws", draws, 0, 2**33)), "count or draws")
    return draws_from(key, stream, replicate_numbers(first, count), 0, draws)
