"""The page of the coverage study: what was asked for, what was found, and every number."""

from pathlib import Path

from coverage_study.targets import targets
from study_page import render
from study_rows import read_rows

METHODS = ("adjusted", "delta", "noncentral_t", "bca")
POINTS = ("50", "100", "200", "500", "2000", "10000", "100000")


def percent(value: str) -> str:
    return f"{100.0 * float(value):.1f}"


def share(row: dict | None) -> str:
    """Return a share with its interval, in per cent."""
    return "" if row is None else f"{percent(row['coverage'])} [{percent(row['low'])}, {percent(row['high'])}]"


def missed(row: dict) -> str:
    """Return the shares of intervals below and above the truth, in per cent."""
    return " / ".join(f"{100.0 * int(row[side]) / int(row['replicates']):.1f}" for side in ("below", "above"))


class Coverage:
    """The rows of the study."""

    def __init__(self, rows: list[dict]) -> None:
        self.rows = rows

    def chosen(self, part: str, method: str, like: str = "", **wanted: str) -> list[dict]:
        """Return the rows of a part and method with a word in their configuration and the wanted values."""
        wanted |= {"part": part, "method": method}
        return [r for r in self.rows if like in r["configuration"] and all(r[key] == v for key, v in wanted.items())]

    def at(self, method: str, law: str, configuration: str, *points: int) -> str:
        """Return coverages for one rival at some N, in per cent."""
        found = self.chosen("one rival", method, law=law)
        by_points = {row["N"]: row for row in found if row["configuration"] == configuration}
        return ", ".join(percent(by_points[str(n)]["coverage"]) for n in points if str(n) in by_points)

    def span(self, part: str, method: str, like: str = "", **wanted: str) -> str:
        """Return the range of coverages, in per cent."""
        values = [100.0 * float(row["coverage"]) for row in self.chosen(part, method, like, **wanted)]
        return f"{min(values):.1f} to {max(values):.1f}" if values else "–"

    def gain(self, other: str) -> str:
        """Return how many ranks a set has less than another package's, where that is most."""
        best = min(self.chosen("comparison", f"difference to {other}"), key=lambda row: float(row["width"]))
        return f"{-float(best['width']):.2f} ranks a set ({best['configuration']}, Q = {best['Q']})"

    def naive(self) -> list[tuple[str, float]]:
        """Return the least coverage of an interval that forgets the choice of the rival, by number of candidates."""
        tied = self.chosen("minimum", "as if the rival were known", "all rivals tied", N="500")
        sizes = [size for size in ("5", "20", "200", "1000") if any(row["K"] == size for row in tied)]
        return [(size, 100.0 * min(float(r["coverage"]) for r in tied if r["K"] == size)) for size in sizes]

    def settings(self, part: str) -> list[dict[str, dict]]:
        """Return the rows of every setting by method."""
        found: dict[tuple[str, ...], dict[str, dict]] = {}
        for row in self.rows:
            if row["part"] == part:
                key = tuple(row[name] for name in ("law", "configuration", "N", "K", "Q"))
                found.setdefault(key, {})[row["method"]] = row
        return list(found.values())

    def one_rival(self) -> list[dict]:
        """Return the rows for one rival by method, a column an N; settings not run are left out."""
        found = {(r["law"], r["configuration"], r["N"], r["method"]): r for r in self.rows if r["part"] == "one rival"}
        cases = list(dict.fromkeys(key[:2] for key in found))
        parts = []
        for method in METHODS:
            points = [p for p in POINTS if any(key[2:] == (p, method) for key in found)]
            rows = [(case, [found.get((*case, p, method)) for p in points]) for case in cases]
            parts.append({"method": method, "points": points, "rows": [row for row in rows if any(row[1])]})
        return parts

    def misses(self) -> list[tuple[tuple[str, str], list[dict | None]]]:
        """Return the rows for one rival at N = 500 by setting, a column a method."""
        found = {
            (r["law"], r["configuration"], r["method"]): r
            for r in self.rows
            if r["part"] == "one rival" and r["N"] == "500"
        }
        cases = dict.fromkeys((r["law"], r["configuration"]) for r in self.rows if r["part"] == "one rival")
        return [(case, [found.get((*case, method)) for method in METHODS]) for case in cases]


def page(folder: Path, name: str = "coverage.csv") -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / name)
    x = Coverage(rows)
    return render(
        "coverage",
        name=name,
        **{"percent": percent, "share": share, "missed": missed},
        **{"at": x.at, "span": x.span, "gain": x.gain, "naive": x.naive(), "settings": x.settings},
        targets=targets(rows),
        methods=METHODS,
        one_rival=x.one_rival(),
        misses=x.misses(),
    )
