"""Where the committed numbers of docs/studies are."""

from __future__ import annotations

from pathlib import Path

from qmis_stats.errors import QmisError

__all__ = ["STUDIES", "MissingStudyError", "study"]

STUDIES = Path(__file__).resolve().parents[1] / "docs" / "studies"


class MissingStudyError(QmisError):
    """The numbers of a study are not in this installation."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"docs/studies/{name} is not here: figures of committed studies need a checkout of the source, "
            "and the study to be in it"
        )


def study(name: str) -> Path:
    """Return the file ``docs/studies/name`` of the source checkout.

    Raises
    ------
    MissingStudyError
        If there is no such file.

    Examples
    --------
    >>> study("no_such_study.csv")
    Traceback (most recent call last):
    ...
    paper_figures.studies.MissingStudyError: docs/studies/no_such_study.csv is not here: ...
    """
    path = STUDIES / name
    if not path.is_file():
        raise MissingStudyError(name)
    return path
