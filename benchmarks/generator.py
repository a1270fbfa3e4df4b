"""Random numbers against NumPy's and PyTorch's generators: float64, one core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Case

import qmis_kernels

ROWS, DRAWS = 1000, 1000
KEY = (1, 2)


def cases() -> Iterator[Case]:
    kernels = qmis_kernels.backend("numba")
    work = float(ROWS * DRAWS)

    def own() -> object:
        return kernels.normals(KEY, 0, 0, ROWS, DRAWS)

    for name in ("SFC64", "PCG64", "Philox"):
        generator = np.random.Generator(getattr(np.random, name)(1))
        yield Case(
            "reproducible normals",
            f"NumPy standard_normal, {name}",
            own,
            lambda g=generator: g.standard_normal((ROWS, DRAWS)),  # type: ignore[misc]
            work,
            work,
            "number",
        )
    yield from _torch(own, work)
    generator = np.random.Generator(np.random.SFC64(1))
    yield Case(
        "uniforms",
        "NumPy random, SFC64",
        lambda: kernels.uniforms(KEY, 0, 0, ROWS, DRAWS),
        lambda: generator.random((ROWS, DRAWS)),
        work,
        work,
        "number",
    )
    yield Case(
        "gamma numbers, shape 500 (chi-square, 1000 degrees)",
        "NumPy standard_gamma, SFC64",
        lambda: kernels.gammas(KEY, 0, 0, 12_500, np.full(16, 500.0)),
        lambda: generator.standard_gamma(500.0, (12_500, 16)),
        2e5,
        2e5,
        "number",
    )


def _torch(own: object, work: float) -> Iterator[Case]:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
    yield Case(
        "reproducible normals",
        "PyTorch CPU randn",
        own,  # type: ignore[arg-type]
        lambda: torch.randn(ROWS, DRAWS, dtype=torch.float64),
        work,
        work,
        "number",
    )
