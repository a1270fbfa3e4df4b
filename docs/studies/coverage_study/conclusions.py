"""What the study shows, in sentences with numbers of its rows."""


def share(rows: list[dict], method: str, law: str, configuration: str, points: int) -> str:
    """Return a coverage of the part for one rival, in per cent."""
    for row in rows:
        place = (row["part"], row["method"], row["law"], row["configuration"], row["N"])
        if place == ("one rival", method, law, configuration, str(points)):
            return f"{100.0 * float(row['coverage']):.1f}"
    return "–"


def conclusions(rows: list[dict]) -> list[str]:
    del rows
    return []
