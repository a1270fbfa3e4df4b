"""Count equal 38-bit windows of a bit string in a way whose distribution is known: what Rabbit's first test counts.

Usage: python clumps.py STREAM SEED...

Windows overlap: after two equal windows the next two are equal with probability 1/2, so matches come in clumps of two
on average, and their number has three times the variance of a Poisson number. Clumps, matches whose preceding bits
differ, are Poisson. STREAM is `ours` (first draws of consecutive replicates, the bits of the low words of normals) or
`pcg64` (NumPy's generator, for comparison).
"""

import sys

import numpy as np
from words import EXPERIMENT, STREAM, kernels, words

LENGTH = 38
WORDS = 310_689  # in each of the segments that Rabbit makes of 2^28 bits
SEGMENTS = 27
SPARE = 12


def uniforms(name: str, seed: int) -> np.ndarray:
    """Return the uniforms of all segments."""
    if name == "ours":
        return kernels.uniforms((seed, EXPERIMENT), STREAM, 0, SEGMENTS * WORDS, 1)[:, 0]
    return (np.random.default_rng(seed).integers(0, 2**52, SEGMENTS * WORDS) + 0.5) * 2.0**-52


def matches(word: np.ndarray) -> tuple[int, int, int]:
    """Return the numbers of clumps, of matches and of windows."""
    w = word.astype(np.uint64)
    parts = []
    for shift in range(32):
        pair = (w[:-2] << np.uint64(32)) | w[1:-1]
        if shift:
            pair = (pair << np.uint64(shift)) | (w[2:] >> np.uint64(32 - shift))
        parts.append(pair >> np.uint64(63 - LENGTH))
    window = np.concatenate(parts)  # LENGTH + 1 bits, of which the first is the preceding one
    before, window = window >> np.uint64(LENGTH), window & np.uint64((1 << LENGTH) - 1)
    keyed = np.sort((window << np.uint64(1)) | before)
    equal = (keyed[1:] >> np.uint64(1)) == (keyed[:-1] >> np.uint64(1))
    return int(np.sum(equal & (keyed[1:] != keyed[:-1]))), int(np.sum(equal)), keyed.size


def main() -> None:
    name, seeds = sys.argv[1], [int(seed) for seed in sys.argv[2:]]
    clumps = found = 0
    expected = 0.0
    for seed in seeds:
        for word in words(uniforms(name, seed), "low", SPARE).reshape(SEGMENTS, WORDS):
            in_clumps, in_all, size = matches(word)
            clumps += in_clumps
            found += in_all
            expected += size**2 / 2.0 ** (LENGTH + 1)
    half = 0.5 * expected
    print(f"{name}: {clumps} clumps, {half:.0f} expected, z = {(clumps - half) / half**0.5:.2f}")
    print(f"{name}: {found} matches, {expected:.0f} expected, z = {(found - expected) / (3.0 * expected) ** 0.5:.2f}")


if __name__ == "__main__":
    main()
