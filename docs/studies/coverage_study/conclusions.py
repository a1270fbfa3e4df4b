"""What the study shows, in sentences whose numbers are those of its rows."""

from collections.abc import Callable


def percent(row: dict) -> str:
    return f"{100.0 * float(row['coverage']):.1f}"


def chosen(rows: list[dict], part: str, method: str, **wanted: str) -> list[dict]:
    """Return the rows of a part and method whose columns have the wanted values."""
    return [
        r
        for r in rows
        if r["part"] == part and r["method"] == method and all(r[key] == value for key, value in wanted.items())
    ]


def series(rows: list[dict], method: str, law: str, configuration: str, points: tuple[int, ...]) -> str:
    """Return coverages for one rival at some N, in per cent."""
    found = (
        chosen(rows, "one rival", method, law=law, configuration=configuration, N=str(number)) for number in points
    )
    return ", ".join(percent(row) for found_rows in found for row in found_rows)


def span(rows: list[dict]) -> str:
    """Return the range of coverages, in per cent."""
    values = sorted(100.0 * float(row["coverage"]) for row in rows)
    return f"{values[0]:.1f} to {values[-1]:.1f}" if values else "–"


def conclusions(rows: list[dict]) -> list[str]:
    return [*_one_rival(rows), *_minimum(rows), *_ranks(rows), *_comparison(rows)]


def _one_rival(rows: list[dict]) -> list[str]:
    def at(method: str, law: str, configuration: str, *points: int) -> str:
        return series(rows, method, law, configuration, points)

    exponential = ("exponential", "s = 1", 50, 100, 200, 500)
    reversed_ = ("exponential, reversed", "s = 1", 500)
    return [
        "**One rival.**",
        "",
        "* `adjusted` is the method to use. It falls short at the smallest N, with skew increments whose gap is "
        f"large: exponential increments with s = 1 have {at('adjusted', *exponential)} % at N = 50, 100, 200, 500 "
        f"(`delta`: {at('delta', *exponential)}), and 80 % ones, 5 % minus ones, 15 % zeros "
        f"{at('adjusted', 'discrete, mostly 1', 's = 1.4', 50)} % at N = 50.",
        "* It errs upwards where few points differ: with 96 % zeros "
        f"{at('adjusted', 'discrete, 96 % zero', 's = 0.101', 500)} % at N = 500, where `Indicator.hardly_different` "
        f"warns, and {at('adjusted', 'discrete, 96 % zero', 's = 0.101', 2000)} % at N = 2000.",
        "* Heavy tails: Student's with five degrees of freedom and s = 0.5 are covered "
        f"({at('adjusted', 'Student t5', 's = 0.5', 500, 2000, 10_000)} % at N = 500, 2000, 10 000). Without a fourth "
        f"moment there is no limit law to correct: with three, {at('adjusted', 'Student t3', 's = 0.5', 500)} and "
        f"{at('adjusted', 'Student t3', 's = 0.5', 10_000)} %. The lognormal has all moments, and none that a sample "
        f"shows: {at('adjusted', 'lognormal', 's = 0.5', 500, 2000, 10_000)} %, the misses above the truth.",
        "* `noncentral_t` is exact for Gaussian increments and right for hardly another at any N: for reversed "
        f"exponential increments with s = 1 it has {at('noncentral_t', *reversed_)} % at N = 500 and "
        f"{at('noncentral_t', 'exponential, reversed', 's = 1', 100_000)} % at 100 000.",
        f"* `bca` has {at('bca', *exponential)} % at N = 50 and 500 on the exponential increments with s = 1, and "
        f"{at('bca', *reversed_)} % on the reversed ones at 500: close to `delta`, below `adjusted`.",
        "",
    ]


def _minimum(rows: list[dict]) -> list[str]:
    method, naive = "Indicator.conf_int", "as if the rival were known"
    regular = chosen(rows, "minimum", method, regular="yes")

    def of(test: Callable[[str], bool]) -> str:
        return span([row for row in regular if test(row["configuration"])])

    doubtful = [r for r in chosen(rows, "minimum", method) if r["configuration"].startswith("two candidates")]
    tied = chosen(rows, "minimum", naive, configuration="all rivals tied", N="500")
    worst = ", ".join(
        f"{min(float(r['coverage']) for r in tied if r['K'] == size) * 100.0:.0f} % with K = {size}"
        for size in ("5", "20", "200", "1000")
        if any(r["K"] == size for r in tied)
    )
    return [
        "**The minimum.**",
        "",
        f"* A unique minimum has {of(lambda c: c.startswith('unique'))} %, ties have {of(lambda c: 'tied' in c)} %, "
        f"near ties {of(lambda c: c.startswith('near'))} %: with ties the interval misses on one side only, so that it "
        "is conservative, and never short, up to a thousand candidates.",
        f"* An interval that forgets that the rival was chosen as the smallest has, when all are tied, {worst}.",
        f"* Where the best candidate itself is in doubt the interval has {span(doubtful)} %, with a warning.",
        "",
    ]


def _ranks(rows: list[dict]) -> list[str]:
    null = [r for r in chosen(rows, "ranks", "simultaneous") if r["configuration"].startswith("all equal")]
    loose = [r for r in chosen(rows, "ranks", "unadjusted pairs") if r["configuration"].startswith("all equal")]
    short = [row for row in null if row["N"] == "200"]
    return [
        "**Ranks.**",
        "",
        f"* With all quantizers equal, simultaneous sets are free of any false order in {span(null)} % of samples "
        f"(N = 200: {span(short)} %); comparisons that are each decided at 5 % are in {span(loose)} %.",
        f"* Marginal sets have {span(chosen(rows, 'ranks', 'marginal'))} %, the set of the best "
        f"{span(chosen(rows, 'ranks', 'best set 1'))} %, that of the two best "
        f"{span(chosen(rows, 'ranks', 'best set 2'))} %, Holm's sets {span(chosen(rows, 'ranks', 'holm'))} %.",
        "",
    ]


def _comparison(rows: list[dict]) -> list[str]:
    def gain(other: str) -> str:
        found = chosen(rows, "comparison", f"difference to {other}")
        best = min(found, key=lambda row: float(row["width"]))
        return f"{-float(best['width']):.2f} ranks a set ({best['configuration']}, Q = {best['Q']})"

    return [
        "**Beside others.**",
        "",
        "* Simultaneous sets are as wide as those of multiple-inference where nothing is far apart, for the step-down "
        "is the same, and narrower where many comparisons surely go the other way, for these no longer count: by up to "
        f"{gain('multiple-inference, simultaneous')}; marginal sets by up to {gain('multiple-inference, marginal')}.",
        f"* Against pairwise Bonferroni they gain up to {gain('Bonferroni')}.",
        "",
    ]
