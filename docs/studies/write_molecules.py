# ruff: noqa: E501 - prose and tables of the page
"""The page and the figures of the study of molecular sets, from its two CSV files; no model is trained here."""

import itertools
import math
import re

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import kendalltau
from scipy.stats import t as student

from qmis_stats.audit.tradeoff_plot import score_limits
from qmis_stats.reporting.figures import COLOURS, STYLE

IDENTITY = "identity"
DRAWS = 9999
SEED = 1
MARGIN = 0.02  # of the score that may be lost
MAIN = 4  # checkpoints of the audits that are tabulated
SHORT = {
    "bbb_martins": "BBB",
    "caco2_wang": "Caco-2",
    "cyp3a4_substrate_carbonmangels": "CYP3A4",
    "lipophilicity_astrazeneca": "lipophilicity",
    "pgp_broccatelli": "P-gp",
    "vdss_lombardo": "VDss",
}
METRIC = {"auroc": "AUROC", "r2": "R²"}
HEAD = {"linear": "linear head", "mlp": "perceptron"}
KEY = ["set", "head", "checkpoints"]


class Study:
    """The rows of both files."""

    def __init__(self, summary, by_run):
        self.table = pd.read_csv(summary)
        self.runs = pd.read_csv(by_run)
        self.sets = list(dict.fromkeys(self.table["set"]))
        self.names = [name for name in self.runs.columns if name not in (*KEY, "run")]
        self.ranked = [name for name in self.names if name != IDENTITY]

    def audits(self, checkpoints=MAIN):
        """Return the (set, head) pairs of a schedule."""
        chosen = self.table[self.table["checkpoints"] == checkpoints]
        return list(dict.fromkeys(zip(chosen["set"], chosen["head"], strict=True)))

    def rows(self, name, head, checkpoints=MAIN):
        """Return the rows of an audit by quantizer."""
        table = self.table
        chosen = (table["set"] == name) & (table["head"] == head) & (table["checkpoints"] == checkpoints)
        return table[chosen].set_index("quantizer")

    def gaps(self, name, head, checkpoints=MAIN):
        """Return the gaps of an audit, one row per run."""
        table = self.runs
        chosen = (table["set"] == name) & (table["head"] == head) & (table["checkpoints"] == checkpoints)
        return table[chosen].set_index("run")[self.names]


def pareto(rows):
    """Return the quantizers that none equals or exceeds in both mean gap and score."""
    points = rows.loc[rows.index != IDENTITY, ["gap", "score"]]
    as_good = [(points >= row).all(axis=1) & (points > row).any(axis=1) for _, row in points.iterrows()]
    return {name for name, others in zip(points.index, as_good, strict=True) if not others.any()}


def paired(values):
    """Return mean and Student's 95 % interval over runs."""
    half = float(student.ppf(0.975, values.size - 1)) * values.std(ddof=1) / math.sqrt(values.size)
    return values.mean(), values.mean() - half, values.mean() + half


def separated(study, name, head, checkpoints):
    """Return how many pairs are told apart over runs, of how many, and by pooled codewords, of how many."""
    rows = study.rows(name, head, checkpoints)
    pooled = rows.drop(IDENTITY)
    # The lower end of a rank set is one more than the number of those that are surely above.
    return (
        int((rows["gap_rank_low"] - 1).sum()),
        math.comb(len(rows), 2),
        int((pooled["rank_low"] - 1).sum()),
        math.comb(len(pooled), 2),
    )


# --- orders ----------------------------------------------------------------------------------------------------------


def fast_taus(values):
    """Return the signs of all differences, (A, pairs): tau is their mean product where nothing is tied."""
    left, right = np.triu_indices(values.shape[1], 1)
    return np.sign(values[:, left] - values[:, right])


def agreement(values, pairs, rng):
    """Return the mean tau over pairs of orders, and its p-value when all orders are permuted independently."""
    left, right = map(np.array, zip(*pairs, strict=True))

    def statistic(v):
        signs = fast_taus(v)
        return float(np.mean(signs[left] * signs[right]))

    observed = statistic(values)
    drawn = [statistic(rng.permuted(values, axis=1)) for _ in range(DRAWS)]
    return observed, (1 + sum(x >= observed for x in drawn)) / (DRAWS + 1)


def agreement_interval(tables, pairs, rng):
    """Return the basic 95 % bootstrap interval of the mean tau when runs are resampled within each audit.

    Resampling adds noise and pulls tau towards zero; the basic interval turns this bias around.
    """
    left, right = map(np.array, zip(*pairs, strict=True))
    signs = fast_taus(np.array([t.mean(axis=0) for t in tables]))
    observed, found = float(np.mean(signs[left] * signs[right])), []
    for _ in range(999):
        means = np.array([t[rng.integers(len(t), size=len(t))].mean(axis=0) for t in tables])
        signs = fast_taus(means)
        found.append(np.mean(signs[left] * signs[right]))
    return np.clip(2.0 * observed - np.quantile(found, [0.975, 0.025]), -1.0, 1.0)


def reliability(tables):
    """Return the mean tau between the orders of even and of odd runs: what another audit of the same set would reach."""
    return float(np.mean([kendalltau(t[::2].mean(axis=0), t[1::2].mean(axis=0)).statistic for t in tables]))


# --- claims ----------------------------------------------------------------------------------------------------------


def sparsest(rows):
    """Return whether ternary weights with 90 % zeros are the most private, by the rank set."""
    low, high = int(rows.loc["sparse-90", "gap_rank_low"]), int(rows.loc["sparse-90", "gap_rank_high"])
    verdict = "yes" if high == 1 else ("not excluded" if low == 1 else "no")
    return f"{verdict} ({low}..{high})"


def verdict(low, high):
    """Return what an interval of a difference says of "is positive"."""
    return "yes" if low > 0.0 else ("no" if high < 0.0 else "open")


def difference(gaps, more, less):
    """Return whether one quantizer is more private than another, with the paired difference of gaps."""
    mean, low, high = paired((gaps[more] - gaps[less]).to_numpy())
    return f"{verdict(low, high)}, {mean:+.3f} [{low:+.3f},\N{NO-BREAK SPACE}{high:+.3f}]"


def sparsity_against_bits(gaps, rng):
    """Return whether 33 to 90 % zeros move the gap more than 3 to 8 bits, with a bootstrap interval over runs."""
    values = gaps[["sparse-90", "sparse-33", "uniform-8", "uniform-3"]].to_numpy()

    def effect(means):
        return np.abs(means[..., 0] - means[..., 1]) - np.abs(means[..., 2] - means[..., 3])

    drawn = effect(values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{verdict(low, high)}, {effect(values.mean(axis=0)):+.3f} [{low:+.3f},\N{NO-BREAK SPACE}{high:+.3f}]"


# --- figures ---------------------------------------------------------------------------------------------------------


def draw(study, head):
    """Return privacy against performance, one panel a set."""
    figure = Figure(figsize=(10.0, 6.6), layout="constrained")
    for ax, name in zip(figure.subplots(2, 3).flat, study.sets, strict=True):
        rows = study.rows(name, head)
        front = pareto(rows)
        lines = [_Point(row["score"], (row["score_low"], row["score_high"])) for _, row in rows.iterrows()]
        bottom, top = score_limits(lines)
        ax.set_ylim(bottom, top)
        reference = rows.loc[IDENTITY]
        ax.axhline(reference["score"], color=COLOURS[1], linestyle=(0, (5, 3)), linewidth=1.0)
        ax.axvline(reference["gap"], color=COLOURS[1], linestyle=(0, (5, 3)), linewidth=1.0)
        for label, row in rows.drop(IDENTITY).iterrows():
            on_front = label in front
            colour = COLOURS[0] if on_front else "#808591"
            strength = 0.8 if on_front else 0.35
            y = max(row["score"], bottom)
            ax.hlines(y, row["gap_low"], row["gap_high"], colour, linewidth=0.9, alpha=strength)
            if row["score"] >= bottom:
                ends = max(row["score_low"], bottom), min(row["score_high"], top)
                ax.vlines(row["gap"], *ends, colour, linewidth=0.9, alpha=strength)
            marker = "o" if row["score"] >= bottom else "v"
            ax.plot(row["gap"], y, marker, color=colour, markersize=5.0, clip_on=False, zorder=4 + on_front)
            if on_front or row["score"] < bottom:
                text = label if row["score"] >= bottom else f"{label}: {row['score']:.3g}"
                ax.annotate(
                    text,
                    (row["gap"], y),
                    xytext=(3, 4),
                    textcoords="offset points",
                    fontsize=7.0,
                    color=colour,
                    rotation=30,
                    rotation_mode="anchor",
                    annotation_clip=False,
                )
        ax.set_title(SHORT[name], fontsize=10.0)
        ax.set_ylabel(METRIC[reference["metric"]])
        ax.set_xlabel("mean gap over runs (more private to the right)", fontsize=8.0)
    return figure


class _Point:
    """A score as the limits of the plot want it."""

    def __init__(self, score, interval):
        self.score, self.score_interval = score, interval


# --- page ------------------------------------------------------------------------------------------------------------


def between(row, value, digits=3):
    """Return "value [low, high]"."""
    return f"{row[value]:.{digits}g} [{row[f'{value}_low']:.{digits}g},\N{NO-BREAK SPACE}{row[f'{value}_high']:.{digits}g}]"


def audit_table(study, name, head):
    """Yield the table of one audit, the most private first."""
    rows = study.rows(name, head)
    front = pareto(rows)
    metric = METRIC[rows["metric"].iloc[0]]
    yield f"### {SHORT[name]}, {HEAD[head]}"
    yield ""
    yield f"| quantizer | bits | rank set | mean gap | r̂, pooled | rank set, pooled | {metric} | price | Pareto |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for label, row in rows.sort_values("gap_rank").iterrows():
        pooled = "" if label == IDENTITY else f"{int(row['rank_low'])}..{int(row['rank_high'])}"
        price = "" if label == IDENTITY else between(row, "price")
        yield (
            f"| {label} | {row['bits']:.3g} | {int(row['gap_rank_low'])}..{int(row['gap_rank_high'])} "
            f"| {between(row, 'gap')} | {between(row, 'indicator', 2)} | {pooled} | {between(row, 'score')} | {price} "
            f"| {'●' if label in front else ''} |"
        )
    yield ""


def settings_table(study):
    """Yield the table of what was run and how long it took."""
    yield "| set | task | molecules | held out | head | checkpoints | runs | seconds |"
    yield "|---|---|---|---|---|---|---|---|"
    for _, row in study.table.drop_duplicates(KEY).iterrows():
        yield (
            f"| {SHORT[row['set']]} (`{row['set']}`) | {row['task']} | {row['points']} | {row['evaluation']} "
            f"| {row['head']} | {row['checkpoints']} | {row['runs']} | {row['seconds']:.0f} |"
        )
    yield ""


def informative_table(study):
    """Yield how many pairs each way of ranking keeps apart."""
    yield "| set | head | checkpoints | pairs told apart over runs, `identity` included | pooled |"
    yield "|---|---|---|---|---|"
    for checkpoints in sorted(set(study.table["checkpoints"])):
        for name, head in study.audits(checkpoints):
            over, pairs, pooled, fewer = separated(study, name, head, checkpoints)
            yield f"| {SHORT[name]} | {head} | {checkpoints} | {over} of {pairs} | {pooled} of {fewer} |"
    yield ""


def order_rows(study):
    """Yield the table of agreements between orders."""
    audits = study.audits()
    tables = [study.gaps(*audit)[study.ranked].to_numpy() for audit in audits]
    values = np.array([t.mean(axis=0) for t in tables])
    heads = list(dict.fromkeys(head for _, head in audits))
    places = {head: [i for i, audit in enumerate(audits) if audit[1] == head] for head in heads}
    kinds = [(f"two sets, {HEAD[head]}", list(itertools.combinations(places[head], 2))) for head in heads]
    kinds.append(("two heads on one set", list(zip(places[heads[0]], places[heads[1]], strict=True))))
    yield "| orders compared | pairs | mean τ | 95 % interval | permutation p |"
    yield "|---|---|---|---|---|"
    rng = np.random.default_rng(SEED)
    for label, pairs in kinds:
        mean, p = agreement(values, pairs, rng)
        low, high = agreement_interval(tables, pairs, rng)
        yield f"| {label} | {len(pairs)} | {mean:.2f} | {low:.2f} to {high:.2f} | {p:.4f} |"
    for head in heads:
        twice = reliability([tables[i] for i in places[head]])
        yield f"| even and odd runs of one audit, {HEAD[head]} | {len(places[head])} | {twice:.2f} | | |"
    yield ""


def claims_table(study):
    """Yield the claims of the paper, one row an audit."""
    yield (
        "| set | head | sparse-90 the most private (rank set) | sparse-33 above sign | sparse-33 above sign-scaled "
        "| 33 → 90 % zeros beyond 3 → 8 bits |"
    )
    yield "|---|---|---|---|---|---|"
    rng = np.random.default_rng(SEED)
    for name, head in study.audits():
        gaps = study.gaps(name, head)
        yield (
            f"| {SHORT[name]} | {head} | {sparsest(study.rows(name, head))} | {difference(gaps, 'sparse-33', 'sign')} "
            f"| {difference(gaps, 'sparse-33', 'sign-scaled')} | {sparsity_against_bits(gaps, rng)} |"
        )
    yield ""


def claim_counts(lines):
    """Return how often each claim holds, from the lines of its table."""
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    header, body = cells[0], cells[2:-1]
    found = []
    for place in range(2, len(header)):
        verdicts = [re.split(r"[,(]", row[place])[0].strip() for row in body]
        counts = ", ".join(
            f"{word} {verdicts.count(word)}" for word in ("yes", "not excluded", "open", "no") if word in verdicts
        )
        found.append(f"{header[place]}: {counts}")
    return "; ".join(found)


def choice_rows(study):
    """Yield the table of what an audit would recommend."""
    yield (
        f"| set | head | largest mean gap | may be the largest | above no quantization | shown to lose at most {MARGIN} "
        "| of these the largest gap | its gap less that of no quantization | its price |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, head in study.audits():
        rows, gaps = study.rows(name, head), study.gaps(name, head)
        ranked = rows.drop(IDENTITY).sort_values("gap_rank")
        first = ranked[ranked["gap_rank_low"] == 1].index
        above = int((ranked["gap_rank_high"] < rows.loc[IDENTITY, "gap_rank_low"]).sum())
        cheap = ranked[ranked["price_high"] <= MARGIN]
        chosen, gain, price = "none", "", ""
        if len(cheap):
            chosen = str(cheap.index[0])
            mean, low, high = paired((gaps[chosen] - gaps[IDENTITY]).to_numpy())
            gain, price = f"{mean:+.3f} [{low:+.3f},\N{NO-BREAK SPACE}{high:+.3f}]", between(cheap.iloc[0], "price")
        yield (
            f"| {SHORT[name]} | {head} | {ranked.index[0]} | {', '.join(first) if len(first) <= 4 else len(first)} "
            f"| {above} | {len(cheap)} | {chosen} | {gain} | {price} |"
        )
    yield ""


INTRODUCTION = """\
# Six molecular sets

Written by `make molecules DATA=FOLDER` (`python docs/studies/molecules.py --data FOLDER`), where FOLDER holds the ADMET sets
of the Therapeutics Data Commons: BBB, CYP3A4 and P-gp are binary tasks, Caco-2, lipophilicity and VDss (its logarithm, since
its target spans five decades) regressions. Every number on this page comes from `molecules.csv` (one row per quantizer and
audit) and `molecules_runs.csv` (the gap of every run). {{doc}}`../audit` says what an audit is.

Each set is audited with a linear head (ridge or logistic regression) and a perceptron (64 units) on Morgan fingerprints
(1024 bits), and with all {quantizers} quantizers of `DEFAULT_QUANTIZERS` beside no quantization (`identity`). Whole scaffolds
are held out, half of the molecules; {runs} runs train on bootstrap subsets of the other half. Seed {seed}. The
seconds below are those of all runs added (training, quantizing, losses), with {jobs} processes on {cores} cores that were shared
with other work: divided by the processes they are about the wall time, more than an idle machine takes. Ranking adds seconds.

"""

INFORMATIVE = """\
## What makes the ranking informative

Training visits codewords that are near ties: late checkpoints of one run, and the final models of several, predict nearly
equally well. The indicator of the pooled codewords, $\\hat r$, is the smallest of about a hundred gaps; it cannot be told from
zero on 300 to 2000 points, its lower limits are 0 and its rank sets say nothing. More runs make this worse.

What helps is to take the indicator of *each run* by itself, from few checkpoints that differ, and to average over runs. The
*gap* of a run is $\\sqrt{{2\\hat r}}$ of its own codewords; the mean over {runs} runs has Student's interval with the covariance of
quantizers over runs (`over_runs` of the audit, here with `identity` among the ranked; rank sets by Holm's procedure), and quantizers are compared
on the same training runs. Linear heads have checkpoints after 1, 14 and 200 steps and the minimiser, perceptrons after 1, 4, 15 and 60 epochs.
Four checkpoints instead of twenty were chosen on one set (Caco-2, linear) for the number of pairs told apart; the table has both
schedules for the cheap head on all sets.

"""

MEANING = """\
What this mean says, and what not:

* It is about trainings: another {runs} runs on the same pool would rank like this on the same evaluation points. The draw of the
  molecules is in the intervals of $\\hat r$ and of the scores, not in those of the gap.
* The gap of a run estimates how far the best checkpoint is from its closest rival, in standard deviations of one point. Were
  two checkpoints exactly tied, it would still be about $0.8/\\sqrt N$ on average. {floor} of the {cells} mean gaps are below
  $1.6/\\sqrt N$: these ranks are about noise as much as about privacy.
* It compares codewords that training visits, not the faces of a cell in 1024 dimensions, of which it visits a handful.
* No attacks were run here. In 128 dimensions neither this mean nor $\\hat r$ orders quantizers as attacks do: {{doc}}`synthetic`.
* Columns of tables: rank sets are among {names}, no quantization included, and hold together at 95 %; ● marks quantizers that
  none exceeds in both mean gap and score.

"""


ORDERS = """\
Kendall's τ between the orders of quantizers by mean gap, no quantization left out. The interval is the basic bootstrap over
runs (noise pulls τ towards 0, and this interval turns the pull around); p is that of independent random orders, whose mean τ
is 0. The last rows are what noise leaves: τ between the even and the odd runs of the same audit, {half} each. Training runs of one
set agree far better than two sets do: the order of quantizers is a property of the set and of the head, and a recommendation
should not be carried over without an audit. What perceptrons share is mostly that unscaled signs destroy them.

"""

CLAIMS = """\
arXiv 2502.06567 reports 1.58 bit with 90 % sparsity as the most private, sign as less private than 1.58 bit with 33 % sparsity,
and sparsity as mattering more than bits. Its 1.58 bit with a share of zeros is `sparse-P` here; signs come without a scale
(`sign`) and with one (`sign-scaled`). Differences of mean gaps are paired by run, with 95 % intervals each by itself; the last
column is $|\\text{{sparse-90}}-\\text{{sparse-33}}|-|\\text{{uniform-8}}-\\text{{uniform-3}}|$, its interval by bootstrap over runs.
None of the three is a rule on these sets. In the {audits} audits: {counts}.

Losses of codewords say how far apart training runs of a quantized model are, and nothing of how far its weights are from thresholds
({{ref}}`Proposition S13e <three-roads>`): zeros make checkpoints alike on one set and separate them on another.

"""


def counted(names):
    """Return names with how often each occurs, the most frequent first."""
    found = pd.Series(list(names), dtype=object).value_counts()
    return ", ".join(f"{name} ({count})" for name, count in found.items()) or "none"


def reading(study):
    """Yield what the numbers say."""
    audits = study.audits()
    told = np.array([separated(study, *audit, MAIN) for audit in audits]).sum(axis=0)
    dense = max(study.table["checkpoints"])
    pairs = study.audits(dense)
    few = np.array([separated(study, *audit, MAIN) for audit in pairs]).sum(axis=0)
    many = np.array([separated(study, *audit, dense) for audit in pairs]).sum(axis=0)
    chosen = study.table[(study.table["checkpoints"] == MAIN) & (study.table["quantizer"] != IDENTITY)]
    zero = int((chosen["indicator_low"] == 0.0).sum())
    yield (
        f"* **Pooled codewords decide nothing.** Their rank sets tell {told[2]} of {told[3]} pairs apart, and {zero} of "
        f"{len(chosen)} lower limits of $\\hat r$ are 0. Over runs {told[0]} of {told[1]} are; on linear heads "
        f"{few[0]} with {MAIN} checkpoints and {many[0]} with {dense}, of {few[1]}."
    )
    alone, above, below = [], [], []
    for name, head in audits:
        rows = study.rows(name, head)
        ranked, reference = rows.drop(IDENTITY), rows.loc[IDENTITY]
        alone += [
            f"`{label}` on {SHORT[name]} ({HEAD[head]}, {METRIC[row['metric']]} {row['score']:.3g} against {reference['score']:.3g})"
            for label, row in ranked.iterrows()
            if row["gap_rank_high"] == 1
        ]
        above += list(ranked.index[ranked["gap_rank_high"] < reference["gap_rank_low"]])
        below += list(ranked.index[ranked["gap_rank_low"] > reference["gap_rank_high"]])
    yield (
        f"* **A single most private quantizer** is found in {len(alone)} of {len(audits)} audits: "
        f"{'; '.join(alone) or 'none'}. Unscaled signs make the "
        "outputs of a perceptron huge: losses explode, even where the order of a classifier's outputs survives, and checkpoints "
        "are far apart. That is no privacy to ship."
    )
    yield (
        "* **Against no quantization.** Rank sets wholly above that of `identity`, in how many audits: "
        f"{counted(above)}. Wholly below: {counted(below)}."
    )
    moved = max(
        abs(study.rows(*audit).loc["uniform-8", "gap"] - study.rows(*audit).loc[IDENTITY, "gap"]) for audit in audits
    )
    yield (
        f"* **Eight bits are no quantization.** The mean gap of `uniform-8` is within {moved:.3f} of that of `identity` in "
        "every audit: its cells are smaller than the steps between checkpoints, and what is ranked is the training itself."
    )
    poor = [
        f"{SHORT[name]} ({HEAD[head]}, R² {study.rows(name, head).loc[IDENTITY, 'score']:.2f})"
        for name, head in audits
        if study.rows(name, head).loc[IDENTITY, "score"] < 0.0
    ]
    if poor:
        yield f"* **A poor model to begin with.** Without quantization worse than the mean of the target: {', '.join(poor)}."
    lost = chosen[chosen["price_low"] > MARGIN]
    yield (
        f"* **Price.** Quantizers that surely lose more than {MARGIN}, in how many of the {len(audits)} audits: "
        f"{counted(lost['quantizer'])}."
    )
    yield ""


def page(study):
    """Yield the lines of the page."""
    first = study.table.iloc[0]
    yield INTRODUCTION.format(
        quantizers=len(study.ranked), runs=first["runs"], seed=first["seed"], jobs=first["jobs"], cores=first["cores"]
    )
    yield from settings_table(study)
    yield INFORMATIVE.format(runs=first["runs"])
    yield from informative_table(study)
    chosen = study.table[(study.table["checkpoints"] == MAIN) & (study.table["quantizer"] != IDENTITY)]
    below = int((chosen["gap"] < 1.6 / np.sqrt(chosen["evaluation"])).sum())
    yield MEANING.format(runs=first["runs"], floor=below, cells=len(chosen), names=len(study.names))
    yield "## What is seen\n"
    yield from reading(study)
    yield "## Which quantizer, at what cost\n"
    yield from choice_rows(study)
    for head in dict.fromkeys(head for _, head in study.audits()):
        yield f"![Privacy and performance of quantizers on six sets, {HEAD[head]}](molecules_{head}.svg)\n"
    yield (
        "Dashed lines: no quantization. Blue: the Pareto set. Bars: 95 % intervals, over runs for the gap, over runs and "
        "molecules for the score. Triangles at the lower edge are far below, with their score.\n"
    )
    yield "## Does a recommendation carry over?\n"
    yield ORDERS.format(half=first["runs"] // 2)
    yield from order_rows(study)
    yield "## Claims of the paper\n"
    rows = list(claims_table(study))
    yield CLAIMS.format(audits=len(study.audits()), counts=claim_counts(rows))
    yield from rows
    yield "## All audits\n"
    for name, head in study.audits():
        yield from audit_table(study, name, head)


def write(summary, by_run):
    """Write the page and the figures beside the CSV files."""
    study = Study(summary, by_run)
    summary.with_suffix(".md").write_text("\n".join(page(study)), encoding="utf-8")
    with rc_context(STYLE):
        for head in dict.fromkeys(head for _, head in study.audits()):
            figure = draw(study, head)
            figure.savefig(summary.with_name(f"molecules_{head}.svg"), metadata={"Date": None, "Creator": None})
