"""One estimate for all stages of a command, by a clock that is set by hand."""

import sys
import time

import pytest

from qmis_stats.reporting import progress
from qmis_stats.reporting.time_left import Stage, TimeLeft


class Command:
    """Three stages that are iterated over, and one between them that is not."""

    def __init__(self, runs=10, jobs=1, **figures):
        self.now, self.said = 0.0, []
        stages = [
            Stage("runs", runs, jobs),
            Stage("theory", 1, counted=False),
            Stage("trainings", 128, jobs, in_blocks=True),
            Stage("releases", 16, jobs),
        ]
        self.left = TimeLeft(stages, lambda: figures, lambda: self.now)
        self.left.say = self.said.append

    def iterate(self, name, items, seconds):
        """Let each item take so many seconds, and yield after each."""
        for _ in self.left.over(name)(range(items)):
            self.now += seconds
            yield
        yield

    def finish(self, name, items, seconds):
        for _ in self.iterate(name, items, seconds):
            pass


KNOWN = {"theory": 20.0, "trainings": 0.5, "releases": 1.0}


def test_the_first_unit_gives_an_estimate_of_everything():
    command = Command(**KNOWN)
    work = command.iterate("runs", 10, 10.0)
    next(work)
    assert (command.said, command.left.seconds()) == ([], (10.0, None))
    assert command.left.line() == "0 of 10 runs"
    next(work)
    # 10 runs of 10 s, 20 s, 64 s and 16 s
    assert command.said == ["about 3 min for everything: 10 runs, theory, 128 trainings, 16 releases"]
    assert command.left.seconds() == (20.0, 80.0 + 100.0)  # the second run is over but for its next()


def test_stages_that_begin_correct_it():
    command = Command(**KNOWN)
    command.finish("runs", 10, 1.0)
    assert command.left.line() == "theory, about 2 min left"
    assert command.left.seconds() == (10.0, 20.0 + 64.0 + 16.0)
    command.now += 5.0
    assert command.left.seconds()[1] == 95.0
    command.now += 25.0
    assert command.left.line() == "theory, longer than expected; then about 80 s"
    work = command.iterate("trainings", 32, 8.0)  # blocks of four, slower than thought
    next(work)
    next(work)
    assert command.left.line() == "4 of 128 trainings, about 4 min left"
    assert command.left.seconds()[1] == 31 * 8.0 - 8.0 + 16.0
    for _ in work:
        pass
    command.finish("releases", 17, 2.0)  # one more than was thought
    assert command.left.line() == "finishing"
    assert command.left.seconds()[1] == 0.0
    assert len(command.said) == 1


def test_units_that_run_beside_each_other():
    command = Command(jobs=4, **KNOWN)
    work = command.iterate("runs", 8, 40.0)
    next(work)
    next(work)
    command.left._clock = lambda: 40.0
    # The first of four that began together took 40 s: the others are due, and four follow.
    assert command.left.seconds()[1] == 7 * 10.0 + 100.0


def test_a_store_that_holds_all_runs():
    command = Command(**KNOWN)
    command.finish("runs", 0, 1.0)
    assert command.left.line() == "theory"
    command.now += 7.0
    work = command.iterate("trainings", 32, 0.0)
    next(work)
    next(work)
    assert command.said == ["about 25 s for everything: 128 trainings, 16 releases"]


def test_what_is_not_known_is_said():
    command = Command(theory=20.0, releases=1.0)
    command.finish("runs", 10, 1.0)
    missing = "(no time is known yet of trainings)"
    assert command.said == [f"about 45 s for everything: 10 runs, theory, 128 trainings, 16 releases {missing}"]
    assert command.left.line() == f"theory, about 35 s left {missing}"


def test_a_short_command_is_silent():
    command = Command(runs=2, theory=1.0, trainings=0.01, releases=0.1)
    command.finish("runs", 2, 0.5)
    assert command.said == []


def test_a_redirected_command_goes_on_where_it_was(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.02)
    command = Command(**KNOWN)
    with progress.time_shown(command.left):
        command.finish("runs", 10, 6.0)
    with progress.time_shown(command.left):
        for _ in command.iterate("trainings", 32, 8.0):
            time.sleep(0.05)
            break
    first, *later = capsys.readouterr().err.splitlines()
    assert first == "about 3 min for everything: 10 runs, theory, 128 trainings, 16 releases"
    assert later[-1] == "1 min 8 s: 0 of 128 trainings, about 70 s left"


def test_a_terminal_keeps_the_estimate(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    command = Command(**KNOWN)
    with progress.time_shown(command.left):
        command.finish("runs", 10, 6.0)
    text = capsys.readouterr().err
    assert "about 3 min for everything: 10 runs, theory, 128 trainings, 16 releases" in text


def test_an_interruption_takes_along_how_far_the_command_was():
    command = Command(**KNOWN)

    def work():
        with progress.time_shown(command.left):
            for done, _ in enumerate(command.iterate("runs", 10, 1.0)):
                if done == 3:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        work()
    assert stop.value.__notes__ == ["at 3 of 10 runs"]
