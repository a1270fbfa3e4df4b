"""What training code calls at each checkpoint: it keeps the losses of the quantized parameters that training visits."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.inference.indicator import Indicator, indicator
from qmis_stats.inference.loss_file import save_losses
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import gaps
from qmis_stats.inference.ranking import Ranking, rank
from qmis_stats.validation import labels_of, one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tracker"]

_SAME_LOSSES = 1e-6


class Tracker:
    """Losses of quantized parameters at the checkpoints of one or several training runs.

    Training calls :meth:`record` at each checkpoint, once per quantizer, with the losses of the quantized parameters on
    the evaluation points. A codeword that is visited again is kept once.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(0.3, 1.0, size=2000)
    >>> tracker = Tracker()
    >>> for step, w in enumerate([-0.6, -0.1, 0.2, 0.3]):
    ...     for name, q in {"sign": np.sign(w), "grid": round(2.0 * w) / 2.0}.items():
    ...         tracker.record(name, (x - q) ** 2, parameters=q, step=step)
    >>> {name: matrix.shape for name, matrix in tracker.losses.items()}
    {'sign': (2, 2000), 'grid': (3, 2000)}
    >>> tracker.rank().ranks
    array([1, 2])
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[FloatArray]] = {}
        self._codewords: dict[str, dict[bytes, int]] = {}
        self._steps: dict[str, list[Any]] = {}
        self._points: int | None = None

    def record(
        self, quantizer: str, losses: ArrayLike, *, parameters: ArrayLike | None = None, step: Any = None
    ) -> None:
        """Keep the losses of one quantized parameter.

        Parameters
        ----------
        quantizer : str
            Name of the quantizer.
        losses : (N,) array_like
            Loss of the quantized model at each evaluation point, the same points in the same order at every call.
        parameters : array_like, optional
            The quantized parameters: they identify the codeword. Without them equal losses do.
        step : optional
            Whatever names the checkpoint in :meth:`history`; by default its number.

        Raises
        ------
        InputError
            If the losses are not N finite numbers, or a codeword that was seen before now has other losses.
        """
        if not isinstance(quantizer, str) or not quantizer.strip():
            raise InputError("quantizer", quantizer, "a name, not empty")
        row = self._checked(quantizer, losses)
        content = row if parameters is None else np.ascontiguousarray(parameters)
        if content.dtype.kind not in "fiubc":
            raise InputError("parameters", f"array of {content.dtype}", "numbers")
        # Minus zero is zero; the shape belongs to the codeword.
        mark = hashlib.sha256(repr(content.shape).encode() + (content + 0).tobytes()).digest()
        rows, known = self._rows.setdefault(quantizer, []), self._codewords.setdefault(quantizer, {})
        if mark in known:
            before = rows[known[mark]]
            if not np.allclose(row, before, rtol=_SAME_LOSSES, atol=_SAME_LOSSES * float(np.max(np.abs(before)))):
                place = int(np.argmax(np.abs(row - before)))
                raise InputError(
                    f"losses of {quantizer!r} at point {place}",
                    float(row[place]),
                    f"those of the same codeword at an earlier checkpoint, {before[place]:.6g}: evaluate without "
                    "randomness, on the same points",
                )
        else:
            known[mark] = len(rows)
            rows.append(row)
        self._points = row.size
        steps = self._steps.setdefault(quantizer, [])
        steps.append((len(steps) if step is None else step, len(rows)))

    def _checked(self, quantizer: str, losses: ArrayLike) -> FloatArray:
        field = f"losses of {quantizer!r}"
        values = labels_of(field, losses, "numbers of shape (N,)")
        if values.dtype.kind not in "fiub" or values.ndim != 1 or not values.size:
            raise InputError(field, f"{values.dtype} of shape {values.shape}", "numbers of shape (N,)")
        if self._points is not None and values.size != self._points:
            raise InputError(field, values.shape, f"of the same points at every call, ({self._points},)")
        row = np.array(values, dtype=np.float64)
        if not np.isfinite(row).all():
            place = int(np.argmin(np.isfinite(row)))
            raise InputError(f"{field} at point {place}", float(row[place]), "finite, not NaN or infinite")
        return row

    @property
    def losses(self) -> dict[str, FloatArray]:
        """One (K, N) matrix per quantizer, its different codewords in the order of their first visit."""
        return {name: np.vstack(rows) for name, rows in self._rows.items()}

    def indicator(self, quantizer: str, **options: Any) -> Indicator:
        """Return the indicator of one quantizer; options as in :func:`~qmis_stats.inference.indicator.indicator`."""
        one_of("quantizer", quantizer, self._rows or ("those recorded: none yet",))
        return indicator(np.vstack(self._rows[quantizer]), quantizer, **options)

    def rank(self, **options: Any) -> Ranking:
        """Return the ranking of all quantizers; options as in :func:`~qmis_stats.inference.ranking.rank`."""
        return rank(self.losses, **options)

    def history(self, quantizer: str) -> pd.DataFrame:
        """Return the indicator after each checkpoint: NaN-free, with ``None`` while there is a single codeword.

        Columns are ``step``, ``candidates`` and ``indicator``. It can only decrease as long as the best codeword stays.
        """
        import pandas as pd

        one_of("quantizer", quantizer, self._rows or ("those recorded: none yet",))
        matrix = np.vstack(self._rows[quantizer])
        found: dict[int, float | None] = {1: None}
        for candidates in range(2, len(matrix) + 1):
            found[candidates] = 0.5 * float(np.min(gaps(Losses(quantizer, matrix[:candidates])).s)) ** 2
        steps = self._steps[quantizer]
        return pd.DataFrame(
            {
                "step": [step for step, _ in steps],
                "candidates": [candidates for _, candidates in steps],
                "indicator": pd.Series([found[candidates] for _, candidates in steps], dtype=object),
            }
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the losses as an .npz file for ``qmis rank``; an existing file is replaced only by a complete one."""
        save_losses(path, self.losses)
