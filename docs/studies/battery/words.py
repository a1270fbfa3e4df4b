"""Write the words of one of our streams to standard output, without end: what the battery reads.

Usage: python words.py STREAM HALF | battery ...

Words are 32 bits of the uniforms that the public functions return. ``high`` takes the upper 32 of the 52 random bits;
``low`` the lower 32 in reverse order, because most tests look at the leading bits of a word.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtr

import qmis_kernels
from qmis_kernels.uniform import fill_uniforms

CHUNK = 1 << 20
NEIGHBOURS = 1024
SEED, EXPERIMENT, STREAM = 1, 0, 0
ACROSS_THE_CARRY = 2**32 - 2**26  # the replicate's high word changes inside the tested stretch

Chunks = Iterator[np.ndarray]
kernels = qmis_kernels.backend("numba")


def draws() -> Chunks:
    """Consecutive draws of one replicate."""
    source = (np.uint64(SEED), np.uint64(EXPERIMENT), np.uint64(STREAM))
    for block in range(0, 2**32, CHUNK // 2):
        out = np.empty(CHUNK)
        fill_uniforms(out, source, np.uint64(0), np.uint64(block))
        yield out


def replicates() -> Chunks:
    """First draw of consecutive replicates."""
    for first in range(ACROSS_THE_CARRY, 2**62, CHUNK):
        yield kernels.uniforms((SEED, EXPERIMENT), STREAM, first, CHUNK, 1)[:, 0]


def _interleaved(addresses: list[tuple[int, int, int]]) -> Chunks:
    """First draws at all the addresses (seed, experiment, stream) for one replicate, then for the next."""
    rows = CHUNK // len(addresses)
    for first in range(0, 2**62, rows):
        columns = [kernels.uniforms((seed, e), stream, first, rows, 1) for seed, e, stream in addresses]
        yield np.concatenate(columns, axis=1).ravel()


def seeds() -> Chunks:
    """First draws of 1024 consecutive seeds, interleaved."""
    return _interleaved([(SEED + i, EXPERIMENT, STREAM) for i in range(NEIGHBOURS)])


def experiments() -> Chunks:
    """First draws of 1024 consecutive experiments, interleaved."""
    return _interleaved([(SEED, EXPERIMENT + i, STREAM) for i in range(NEIGHBOURS)])


def streams() -> Chunks:
    """First draws of 1024 consecutive streams, interleaved."""
    return _interleaved([(SEED, EXPERIMENT, STREAM + i) for i in range(NEIGHBOURS)])


def mixed() -> Chunks:
    """First draws of 8 seeds × 8 experiments × 8 streams, interleaved."""
    return _interleaved([(SEED + i, EXPERIMENT + j, STREAM + k) for i in range(8) for j in range(8) for k in range(8)])


def normals(scale: float = 1.0) -> Chunks:
    """First normal of consecutive replicates, mapped back by the normal distribution function."""
    for first in range(0, 2**62, CHUNK):
        yield ndtr(scale * kernels.normals((SEED, EXPERIMENT), STREAM, first, CHUNK, 1)[:, 0])


def scaled_normals() -> Chunks:
    """Control: the same normals times 1.01, mapped back."""
    return normals(1.01)


def two_rounds() -> Chunks:
    """Control: first draw of consecutive replicates by Philox with 2 rounds instead of 10."""
    for first in range(0, 2**62, CHUNK):
        number = first + np.arange(CHUNK, dtype=np.uint64)
        half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
        c0, c1, c2, c3 = number & mask, number >> half, np.zeros_like(number), np.full_like(number, STREAM)
        for turn in range(2):
            k0 = np.uint64((SEED + turn * 0x9E3779B9) % 2**32)
            k1 = np.uint64((EXPERIMENT + turn * 0xBB67AE85) % 2**32)
            left, right = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
            c0, c1, c2, c3 = (right >> half) ^ c1 ^ k0, right & mask, (left >> half) ^ c3 ^ k1, left & mask
        yield (((c0 | (c1 << half)) >> np.uint64(11)) | np.uint64(1)) * 2.0**-53


STREAMS: dict[str, Callable[[], Chunks]] = {
    function.__name__: function for function in (draws, replicates, seeds, experiments, streams, mixed, normals)
}
CONTROLS: dict[str, Callable[[], Chunks]] = {function.__name__: function for function in (two_rounds, scaled_normals)}
HALVES = ("high", "low")


def words(uniforms: np.ndarray, half: str, spare: int) -> np.ndarray:
    """Return 32 of the 52 random bits of each uniform; ``spare`` last bits are left out of both halves."""
    fraction = (uniforms * 2.0**52).astype(np.uint64)
    if half == "high":
        return (fraction >> np.uint64(20)).astype(np.uint32)
    return _reversed_bits((fraction >> np.uint64(spare)).astype(np.uint32))


def _reversed_bits(word: np.ndarray) -> np.ndarray:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F)):
        s, m = np.uint32(shift), np.uint32(mask)
        word = ((word >> s) & m) | ((word & m) << s)
    return word.byteswap()


def main() -> None:
    name, half = sys.argv[1:]
    qmis_kernels.set_threads(1)
    # The distribution function is computed to a few units in the last place: the last bits are its rounding.
    spare = 12 if "normals" in name else 0
    for chunk in ({**STREAMS, **CONTROLS})[name]():
        try:
            sys.stdout.buffer.write(words(chunk, half, spare).tobytes())
        except BrokenPipeError:
            sys.stderr.close()  # the battery has read enough; silence the flush at exit
            return


if __name__ == "__main__":
    main()
