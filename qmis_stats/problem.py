"""A law with a procedure: a problem with its cells, faces and increments (Statement S2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError, InputError
from qmis_stats.increments import GaussianIncrement, Increment
from qmis_stats.laws import FiniteLaw, Law, ParametricLaw, ProductCells, Scores, Thresholds
from qmis_stats.procedures import CodebookERM, LossTable, Procedure, ThresholdPTQ
from qmis_stats.scores import GaussianScores
from qmis_stats.tilting import Tilt
from qmis_stats.validation import sample_size

__all__ = ["ChainFace", "Face", "Problem"]

FaceKind = Literal["regular", "tie", "duplicate", "unreachable", "heavy"]


@dataclass(frozen=True, eq=False, repr=False)
class Face(ByValue):
    """One face of the best codeword's cell.

    Attributes
    ----------
    name : str
        The rival or the threshold, e.g. ``"codeword 2"`` or ``"coordinate 0 above 0.5"``.
    increment : Increment
        Law of X; the face is crossed when the sum of the increments is negative.
    cell : int or None
        Index of the cell behind the face among the problem's cells, where these are enumerated.
    kind : {"regular", "tie", "duplicate", "unreachable", "heavy"}
        ``tie``: the mean is zero, the rival is as good as the best; ``duplicate``: X = 0 almost surely, the rival
        is never returned; ``unreachable``: no sample crosses the face (I = ∞); ``heavy``: tails so heavy that no tilt
        brings the mean to zero (Proposition S18.4).
    exact : bool
        Whether the increment is exact; ``False`` for the linearised increments of post-training quantization.
    """

    name: str
    increment: Increment
    cell: int | None
    kind: FaceKind
    exact: bool = True

    @property
    def delta(self) -> float:
        """Mean δ of the increment."""
        return self.increment.mean

    @property
    def sigma2(self) -> float:
        """Variance σ² of the increment."""
        return self.increment.variance

    @cached_property
    def tilt(self) -> Tilt:
        """The tilt λ, the Chernoff exponent and the tilted variance."""
        return self.increment.tilt()

    @property
    def moderate_deviation_rate(self) -> float:
        """The rate r = δ²/(2σ²)."""
        return self.increment.moderate_deviation_rate

    @property
    def chernoff_exponent(self) -> float:
        """The exponent I = −min K."""
        return self.tilt.exponent


@dataclass(frozen=True, eq=False)
class ChainFace:
    """A threshold between two consecutive cells of a chain; crossed outwards when the sum of X is negative.

    Attributes
    ----------
    inner, outer : int
        Cells on the side of the best cell and on the far side.
    upper : bool
        Whether ``outer`` comes after ``inner`` along the chain.
    increment : Increment
        Law of ``scores[outer] − scores[inner]``, mean at least zero.
    """

    inner: int
    outer: int
    upper: bool
    increment: Increment

    @cached_property
    def tilt(self) -> Tilt:
        """The tilt of the increment."""
        return self.increment.tilt()


def _face_kind(increment: Increment, tilt: Tilt) -> FaceKind:
    if increment.variance == 0.0:
        return "duplicate" if increment.mean == 0.0 else "unreachable"
    if tilt.exponent == np.inf:
        return "unreachable"
    if tilt.variance == np.inf:
        return "heavy"
    return "tie" if tilt.exponent == 0.0 else "regular"


@dataclass(frozen=True, eq=False, repr=False)
class Problem(ByValue):
    """A law, a procedure, and everything that the routes need of them.

    Parameters
    ----------
    law : Law
        What Z is.
    procedure : Procedure
        How the quantized parameter is learnt.
    n : int, optional
        Sample size at which size-adaptive cells are fixed; set by :meth:`at`.

    Raises
    ------
    InputError
        If the procedure cannot be run under the law.

    Examples
    --------
    >>> from qmis_stats.laws import GaussianMean
    >>> p = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> p.best, p.faces[0].delta, p.faces[0].sigma2, p.exponent
    (0, 1.0, 4.0, 0.125)
    """

    law: Law
    procedure: Procedure
    n: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.law, Law):
            raise InputError("law", self.law, "a law such as GaussianMean(...)")
        if not isinstance(self.procedure, Procedure):
            raise InputError("procedure", self.procedure, "a procedure such as CodebookERM(...)")
        self.procedure.check(self.law)

    def at(self, n: int) -> Problem:
        """Return the problem at sample size ``n``; itself when its cells do not depend on n."""
        n = sample_size(n)
        if not self.procedure.size_adaptive or self.n == n:
            return self
        return replace(self, n=n)

    def _size(self) -> int:
        if self.n is None:
            if self.procedure.size_adaptive:
                raise InputError("problem", "size-adaptive", "fixed at a sample size first: problem.at(n)")
            return 2
        return self.n

    @cached_property
    def codebook(self) -> np.ndarray | None:
        """The codebook (K, d) at this sample size, or ``None`` for other procedures."""
        if isinstance(self.procedure, CodebookERM) and isinstance(self.law, ParametricLaw):
            return self.procedure.at(self.law, self._size())
        return None

    @property
    def penalised(self) -> bool:
        """Whether the estimate has a ridge penalty, which only the route ``proportional`` knows."""
        return isinstance(self.procedure, ThresholdPTQ) and self.procedure.ridge > 0.0

    @cached_property
    def thresholds(self) -> Thresholds | None:
        """The thresholds of each coordinate at this sample size, or ``None`` for other procedures.

        Whatever describes the estimate without its penalty begins here: scores, product cells and faces.

        Raises
        ------
        DomainError
            If the estimate is penalised.
        """
        if self.penalised:
            raise DomainError(
                "any", "the estimate has a ridge penalty", "use method = proportional, or leave procedure.ridge out"
            )
        if isinstance(self.procedure, ThresholdPTQ) and isinstance(self.law, ParametricLaw):
            return self.procedure.at(self.law, self._size())
        return None

    @cached_property
    def scores(self) -> Scores | None:
        """The argmin representation of the procedure, or ``None`` when it has none of manageable size."""
        if isinstance(self.law, FiniteLaw):
            return self.law.erm_scores(self.procedure.losses) if isinstance(self.procedure, LossTable) else None
        assert isinstance(self.law, ParametricLaw)
        if self.codebook is not None:
            return self.law.erm_scores(self.codebook)
        assert self.thresholds is not None
        return self.law.threshold_scores(self.thresholds)

    @cached_property
    def product(self) -> ProductCells | None:
        """The standardised product cells of post-training quantization, or ``None`` for other procedures."""
        if self.thresholds is None or not isinstance(self.law, ParametricLaw):
            return None
        return self.law.product_cells(self.thresholds)

    @property
    def best(self) -> int | None:
        """Index of the best cell, where cells are enumerated."""
        return None if self.scores is None else self.scores.best

    @cached_property
    def faces(self) -> tuple[Face, ...]:
        """The faces of the best cell: one per rival codeword, or the nearest threshold on each side of a coordinate."""
        if self.thresholds is not None:
            return self._threshold_faces(self.thresholds)
        scores = self.scores
        if scores is None:
            return ()
        return tuple(
            self._face(f"codeword {k}", scores.increment(k, scores.best), k)
            for k in range(scores.cells)
            if k != scores.best
        )

    @staticmethod
    def _face(name: str, increment: Increment, cell: int | None, exact: bool = True) -> Face:
        return Face(name, increment, cell, _face_kind(increment, increment.tilt()), exact)

    def _threshold_faces(self, thresholds: Thresholds) -> tuple[Face, ...]:
        assert isinstance(self.law, ParametricLaw)
        faces = []
        sizes = [t.size + 1 for t in thresholds]
        strides = np.concatenate((np.cumprod(sizes[::-1])[::-1][1:], [1])) if self.scores is not None else None
        for i, (values, location) in enumerate(zip(thresholds, self.law.parameter, strict=True)):
            # An estimate on a threshold belongs to the lower cell, so a threshold at the parameter is an upper face.
            position = int(np.searchsorted(values, location, side="left"))
            for upper, j in ((False, position - 1), (True, position)):
                if 0 <= j < values.size:
                    increment, exact = self.law.threshold_increment(i, float(values[j]), upper)
                    step = 1 if upper else -1
                    cell = None
                    if self.scores is not None and strides is not None:
                        cell = self.scores.best + step * int(strides[i])
                    name = f"coordinate {i} {'above' if upper else 'below'} {values[j]:g}"
                    faces.append(self._face(name, increment, cell, exact))
        return tuple(faces)

    @cached_property
    def crossable_faces(self) -> tuple[Face, ...]:
        """The faces that some sample crosses: neither duplicates nor unreachable."""
        return tuple(f for f in self.faces if f.kind in ("regular", "tie", "heavy"))

    def refuse_heavy(self, method: str) -> None:
        """Refuse a method that needs a tilt for every face.

        Raises
        ------
        DomainError
            If the tails of an increment are too heavy for one.
        """
        name = next((f.name for f in self.faces if f.kind == "heavy"), None)
        if name is None:
            name = next(
                (f"cell {f.outer} against {f.inner}" for f in self.chain_faces or () if f.tilt.variance == np.inf), None
            )
        if name is not None:
            raise DomainError(
                method, f"the increment of {name} has tails too heavy for a tilt of mean zero", "use method = crude"
            )

    @cached_property
    def scores_reachable(self) -> tuple[bool, ...]:
        """For each enumerated cell but the best, whether some sample returns it."""
        scores = self.scores
        if scores is None:
            return ()
        rivals = (k for k in range(scores.cells) if k != scores.best and not scores.same(k, scores.best))
        return tuple(scores.increment(k, scores.best).tilt().exponent < np.inf for k in rivals)

    @property
    def indicator(self) -> float:
        """The indicator r_Q = min over faces of δ²/(2σ²); infinite when no face can be crossed."""
        return min((f.moderate_deviation_rate for f in self.crossable_faces), default=np.inf)

    @property
    def exponent(self) -> float:
        """The exponent I_Q = min over faces of the Chernoff exponent; infinite when no face can be crossed."""
        return min((f.chernoff_exponent for f in self.crossable_faces), default=np.inf)

    @cached_property
    def chain(self) -> tuple[int, ...] | None:
        """The cells in their order along a line, without duplicates; ``None`` when they are not on a line."""
        scores = self.scores
        if scores is None:
            return None
        if self.thresholds is not None:
            return tuple(range(scores.cells)) if len(self.thresholds) == 1 else None
        if self.codebook is None:
            return None
        if self.codebook.shape[1] == 1:
            positions = self.codebook[:, 0]
        elif isinstance(scores, GaussianScores) and scores.rank == 1:
            positions = -scores.linear[:, 0]
        else:
            return None
        order = np.argsort(positions, kind="stable")
        keep = np.concatenate(([True], np.diff(positions[order]) != 0.0))
        return tuple(int(k) for k in order[keep])

    @cached_property
    def chain_faces(self) -> tuple[ChainFace, ...] | None:
        """The thresholds between consecutive cells of the chain, in order; ``None`` when there is no chain."""
        if self.chain is None or self.scores is None:
            return None
        position = self.chain.index(self.scores.best)
        faces = []
        for j, (left, right) in enumerate(zip(self.chain[:-1], self.chain[1:], strict=True)):
            upper = j >= position
            inner, outer = (left, right) if upper else (right, left)
            faces.append(ChainFace(inner, outer, upper, self.scores.increment(outer, inner)))
        return tuple(faces)

    @cached_property
    def line_thresholds(self) -> np.ndarray | None:
        """Thresholds of a Gaussian estimate on a line, in standard deviations of one point (Statement S9a).

        ``None`` unless the scores are linear in a single normal variable (or in none: then there are none).
        """
        scores = self.scores
        if not isinstance(scores, GaussianScores) or scores.rank > 1:
            return None
        if scores.rank == 0 or self.chain_faces is None:
            return np.empty(0)
        edges = []
        for face in self.chain_faces:
            increment = face.increment
            assert isinstance(increment, GaussianIncrement)
            # The centroid-free distance of the threshold from the parameter, signed along the chain.
            distance = increment.mean / np.sqrt(increment.variance)
            edges.append(distance if face.upper else -distance)
        return np.array(edges)
