"""How long a command of several stages takes: measured in stages that have begun, by rough figures before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Stage", "TimeLeft", "about"]

_WORTH_SAYING = 10.0  # seconds


@dataclass
class Stage:
    """One stage, and how far it is.

    Attributes
    ----------
    name : str
        What it does, as ``"training runs"``.
    units : int
        How many, by what is known beforehand; none: the stage is left out.
    jobs : int
        Units that run at the same time.
    in_blocks : bool
        Whether what is iterated over is not units but blocks of them.
    counted : bool
        Whether the number of units says something to a reader.
    rough : float or None
        Wall seconds per unit, before one is measured.
    pieces, done : int
        Of what is iterated over, all and those that are finished.
    began, latest : float
        When it began, and when the latest piece was finished.
    """

    name: str
    units: int
    jobs: int = 1
    in_blocks: bool = False
    counted: bool = True
    rough: float | None = None
    pieces: int = 0
    done: int = 0
    began: float | None = None
    latest: float = 0.0

    @property
    def title(self) -> str:
        """What it does, with how many."""
        return f"{self.units} {self.name}" if self.counted else self.name

    def left(self, now: float) -> float | None:
        """Return the seconds that are left, ``None`` where nothing is known of them."""
        if self.began is not None and self.done:
            # The first ones that are ready ran beside others, which are ready soon.
            one = (self.latest - self.began) / max(self.done, min(self.jobs, self.pieces))
            return (self.pieces - self.done) * one - min(now - self.latest, one) if self.done < self.pieces else 0.0
        if self.rough is None:
            return None if self.units else 0.0
        return max(self.rough * self.units - (0.0 if self.began is None else now - self.began), 0.0)


class TimeLeft:
    """One estimate for all stages of a command, corrected as they begin.

    Parameters
    ----------
    stages : sequence of Stage
        In their order.
    rough : callable
        Returns seconds per unit of stages by name; called once, when the first unit of all is done.
    clock : callable
        Returns seconds.

    Examples
    --------
    >>> seconds = iter([0.0, 0.0, 30.0, 30.0])
    >>> left = TimeLeft([Stage("fits", 3), Stage("attacks", 2)], lambda: {"attacks": 60.0}, lambda: next(seconds))
    >>> left.say = print
    >>> fits = left.over("fits")(range(3))
    >>> next(fits), next(fits)
    about 4 min for everything: 3 fits, 2 attacks
    (0, 1)
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        rough: Callable[[], Mapping[str, float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stages = list(stages)
        self.say: Callable[[str], object] = print
        self._rough, self._clock = rough, clock
        self._began, self._place, self._announced = clock(), 0, False

    def over(self, *names: str) -> Callable[[Iterable[Any]], Iterator[Any]]:
        """Return what wraps iterations, to be called once for each of these stages in their order.

        A stage that is not named begins where the one before it is over.
        """
        order = iter(names)

        def wrapped(work: Iterable[Any]) -> Iterator[Any]:
            items = list(work)
            self._begin([stage.name for stage in self.stages].index(next(order)), len(items))
            for item in items:
                yield item
                self._step()
            self._begin(self._place + 1)

        return wrapped

    def _begin(self, place: int, pieces: int | None = None) -> None:
        while pieces is None and place < len(self.stages) and not self.stages[place].units:
            place += 1
        self._place = place
        if place == len(self.stages):
            return
        stage = self.stages[place]
        stage.began = self._clock()
        stage.pieces = stage.units if pieces is None else pieces
        if not stage.in_blocks:  # a store may hold some, which are no work
            stage.units = stage.pieces

    def _step(self) -> None:
        stage = self.stages[self._place]
        stage.latest = self._clock()
        stage.done += 1
        if self._announced:
            return
        figures = self._rough()
        for other in self.stages:
            other.rough = figures.get(other.name)
        self._announced = True
        elapsed, left, unknown = self._state()
        if elapsed + left >= _WORTH_SAYING:
            titles = ", ".join(one.title for one in self.stages[self._place :] if one.units)
            self.say(f"{about(elapsed + left)} for everything: {titles}{unknown}")

    def _state(self) -> tuple[float, float, str]:
        """Return the seconds that are over, those that are left, and what these leave out."""
        now = self._clock()
        ahead = [(stage.name, stage.left(now)) for stage in self.stages[self._place :]]
        names = " and ".join(name for name, seconds in ahead if seconds is None)
        left = sum(seconds for _, seconds in ahead if seconds is not None)
        return now - self._began, left, f" (no time is known yet of {names})" if names else ""

    def seconds(self) -> tuple[float, float | None]:
        """Return the seconds that are over and those that are left, ``None`` where none are measured yet."""
        elapsed, left, _ = self._state()
        return elapsed, left if self._announced else None

    def doing(self) -> str:
        """Return the stage that runs, and how far it is."""
        if self._place == len(self.stages):
            return "finishing"
        stage = self.stages[self._place]
        if not stage.counted:
            return stage.name
        share = stage.done / stage.pieces if stage.pieces else 0.0
        return f"{round(share * stage.units)} of {stage.units} {stage.name}"

    def line(self) -> str:
        """Return the stage that runs, how far it is, and what is left of everything."""
        doing = self.doing()
        if self._place == len(self.stages) or not self._announced:
            return doing
        stage = self.stages[self._place]
        _, left, unknown = self._state()
        if stage.left(self._clock()) == 0.0 and not stage.done:
            return f"{doing}, longer than expected; then {about(left)}{unknown}"
        return f"{doing}, {about(left)} left{unknown}"


def about(seconds: float) -> str:
    """Return a duration as roughly as it is known.

    Examples
    --------
    >>> [about(s) for s in (2.0, 43.0, 100.0, 9000.0)]
    ['a few seconds', 'about 45 s', 'about 2 min', 'about 2.5 h']
    """
    if seconds < 5.0:
        return "a few seconds"
    if seconds < 90.0:
        return f"about {5 * round(seconds / 5.0)} s"
    return f"about {round(seconds / 60.0)} min" if seconds < 5400.0 else f"about {seconds / 3600.0:.1f} h"
