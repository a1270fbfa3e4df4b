"""The page and the figures of the study of molecular sets, from its two CSV files; no model is trained here."""

import itertools
import math

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import kendalltau, rankdata
from scipy.stats import t as student
from study_page import render

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
CLAIMS = (
    "sparse-90 the most private (rank set)",
    "sparse-33 above sign",
    "sparse-33 above sign-scaled",
    "33 → 90 % zeros beyond 3 → 8 bits",
)
KEY = ["set", "head", "checkpoints"]


class Study:
    """The rows of both files."""

    def __init__(self, folder):
        self.table = pd.read_csv(folder / "molecules.csv")
        self.runs = pd.read_csv(folder / "molecules_runs.csv")
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


def told_apart(study, name, head, checkpoints):
    """Return how many pairs are told apart over runs, of how many, and by pooled codewords, of how many."""
    rows = study.rows(name, head, checkpoints)
    pooled = rows.drop(IDENTITY)
    # The lower end of a rank set is one more than the number of those that are surely above.
    return {
        "over": int((rows["gap_rank_low"] - 1).sum()),
        "pairs": math.comb(len(rows), 2),
        "pooled": int((pooled["rank_low"] - 1).sum()),
        "pooled_pairs": math.comb(len(pooled), 2),
    }


def together(study, audits, checkpoints):
    """Return the pairs that are told apart in several audits."""
    found = [told_apart(study, *audit, checkpoints) for audit in audits]
    return {key: sum(one[key] for one in found) for key in found[0]}


# --- orders ----------------------------------------------------------------------------------------------------------


def mean_tau(values, pairs):
    """Return the mean of Kendall's tau over pairs of orders, (..., orders, quantizers), where nothing is tied."""
    left, right = np.triu_indices(values.shape[-1], 1)
    above = values[..., left] > values[..., right]
    first, second = np.transpose(pairs)
    return 2.0 * np.mean(above[..., first, :] == above[..., second, :], axis=(-2, -1)) - 1.0


def agreement(values, pairs, rng):
    """Return the mean tau over pairs of orders, and its p-value when all orders are permuted independently."""
    ranks = rankdata(values, axis=-1).astype(np.int8)
    observed = float(mean_tau(ranks, pairs))
    drawn = mean_tau(rng.permuted(np.broadcast_to(ranks, (DRAWS, *ranks.shape)), axis=-1), pairs)
    return observed, (1 + int(np.sum(drawn >= observed))) / (DRAWS + 1)


def agreement_interval(tables, pairs, rng):
    """Return the basic 95 % bootstrap interval of the mean tau when the runs of each audit are resampled.

    Resampling adds noise and pulls tau towards zero; the basic interval turns this bias around.
    """
    audits, runs, _ = tables.shape
    resampled = tables[np.arange(audits)[:, None], rng.integers(runs, size=(999, audits, runs))]
    drawn = np.quantile(mean_tau(resampled.mean(axis=-2), pairs), [0.975, 0.025])
    return np.clip(2.0 * mean_tau(tables.mean(axis=-2), pairs) - drawn, -1.0, 1.0)


def reliability(tables):
    """Return the mean tau between the orders of even and of odd runs: what another audit of a set would reach."""
    halves = zip(tables[:, ::2].mean(axis=1), tables[:, 1::2].mean(axis=1), strict=True)
    return float(np.mean([kendalltau(even, odd).statistic for even, odd in halves]))


# --- claims ----------------------------------------------------------------------------------------------------------


def sparsest(rows):
    """Return whether ternary weights with 90 % zeros are the most private, by the rank set."""
    low, high = int(rows.loc["sparse-90", "gap_rank_low"]), int(rows.loc["sparse-90", "gap_rank_high"])
    return {"verdict": "yes" if high == 1 else ("not excluded" if low == 1 else "no"), "ranks": (low, high)}


def positive(value, low, high):
    """Return what a difference says of "is positive"."""
    verdict = "yes" if low > 0.0 else ("no" if high < 0.0 else "open")
    return {"verdict": verdict, "ranks": None, "gain": (value, low, high)}


def difference(gaps, more, less):
    """Return the paired difference of gaps of two quantizers, with its interval."""
    return paired((gaps[more] - gaps[less]).to_numpy())


def sparsity_against_bits(gaps, rng):
    """Return how much more 33 to 90 % zeros move the gap than 3 to 8 bits, with a bootstrap interval over runs."""
    values = gaps[["sparse-90", "sparse-33", "uniform-8", "uniform-3"]].to_numpy()

    def effect(means):
        return np.abs(means[..., 0] - means[..., 1]) - np.abs(means[..., 2] - means[..., 3])

    drawn = effect(values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1))
    return effect(values.mean(axis=0)), *np.quantile(drawn, [0.025, 0.975])


def claims(study):
    """Return what each audit says of the claims."""
    rng = np.random.default_rng(SEED)
    found = []
    for name, head in study.audits():
        gaps = study.gaps(name, head)
        said = [
            sparsest(study.rows(name, head)),
            positive(*difference(gaps, "sparse-33", "sign")),
            positive(*difference(gaps, "sparse-33", "sign-scaled")),
            positive(*sparsity_against_bits(gaps, rng)),
        ]
        found.append({"set": name, "head": head, "claims": said})
    return found


def verdicts(found):
    """Return how often each claim holds."""
    for place, claim in enumerate(CLAIMS):
        said = [row["claims"][place]["verdict"] for row in found]
        words = (word for word in ("yes", "not excluded", "open", "no") if word in said)
        yield claim, ", ".join(f"{word} {said.count(word)}" for word in words)


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


def records(rows):
    """Return rows as dictionaries, with the quantizer among the keys."""
    return rows.reset_index().to_dict("records")


def agreements(study):
    """Return how well orders agree between sets and between heads, and between halves of the runs of one audit."""
    audits = study.audits()
    tables = np.array([study.gaps(*audit)[study.ranked].to_numpy() for audit in audits])
    places = {head: [i for i, audit in enumerate(audits) if audit[1] == head] for head in HEAD}
    kinds = [(f"two sets, {HEAD[head]}", list(itertools.combinations(places[head], 2))) for head in HEAD]
    kinds.append(("two heads on one set", list(zip(*places.values(), strict=True))))
    rng = np.random.default_rng(SEED)
    found = []
    for what, pairs in kinds:
        mean, p = agreement(tables.mean(axis=1), pairs, rng)
        low, high = agreement_interval(tables, pairs, rng)
        found.append({"what": what, "pairs": len(pairs), "tau": mean, "low": low, "high": high, "p": p})
    twice = {h: {"audits": len(at), "tau": reliability(tables[at])} for h, at in places.items()}
    return found, twice


def choice(study, name, head):
    """Return what an audit would recommend: what may have the largest gap, and the largest at a small price."""
    rows, gaps = study.rows(name, head), study.gaps(name, head)
    ranked = rows.drop(IDENTITY).sort_values("gap_rank")
    cheap = records(ranked[ranked["price_high"] <= MARGIN])
    return {
        "set": name,
        "head": head,
        "largest": ranked.index[0],
        "first": list(ranked[ranked["gap_rank_low"] == 1].index),
        "above": int((ranked["gap_rank_high"] < rows.loc[IDENTITY, "gap_rank_low"]).sum()),
        "cheap": cheap,
        "gain": difference(gaps, cheap[0]["quantizer"], IDENTITY) if cheap else None,
    }


def audited(study, name, head):
    """Return the rows of one audit, the most private first, with what they say of a single most private quantizer."""
    rows = study.rows(name, head)
    ranked, reference = rows.drop(IDENTITY), rows.loc[IDENTITY]
    of = {"set": name, "head": head, "metric": reference["metric"], "reference": reference["score"]}
    return of | {
        "rows": records(rows.sort_values("gap_rank")),
        "front": pareto(rows),
        "alone": [row | of for row in records(ranked[ranked["gap_rank_high"] == 1])],
        "above": list(ranked.index[ranked["gap_rank_high"] < reference["gap_rank_low"]]),
        "below": list(ranked.index[ranked["gap_rank_low"] > reference["gap_rank_high"]]),
        "moved": abs(rows.loc["uniform-8", "gap"] - reference["gap"]),
    }


def counted(names):
    """Return names with how often each occurs, the most frequent first."""
    found = pd.Series(list(names), dtype=object).value_counts()
    return ", ".join(f"{name} ({count})" for name, count in found.items()) or "none"


def page(folder):
    """Return the page of the CSV files in a folder."""
    study = Study(folder)
    schedules = sorted(set(study.table["checkpoints"]))
    dense = schedules[-1]
    quantized = study.table[(study.table["checkpoints"] == MAIN) & (study.table["quantizer"] != IDENTITY)]
    audits = [audited(study, *audit) for audit in study.audits()]
    found = claims(study)
    compared, twice = agreements(study)
    return render(
        "molecules",
        **{"short": SHORT, "heads": HEAD, "metrics": METRIC, "main": MAIN, "dense": dense, "margin": MARGIN},
        names=study.names,
        first=study.table.iloc[0],
        settings=study.table.drop_duplicates(KEY).to_dict("records"),
        told=[
            {"set": name, "head": head, "checkpoints": count} | told_apart(study, name, head, count)
            for count in schedules
            for name, head in study.audits(count)
        ],
        total=together(study, study.audits(), MAIN),
        few=together(study, study.audits(dense), MAIN),
        many=together(study, study.audits(dense), dense),
        quantized=len(quantized),
        small_gaps=int((quantized["gap"] < 1.6 / np.sqrt(quantized["evaluation"])).sum()),
        zero_limits=int((quantized["indicator_low"] == 0.0).sum()),
        audits=audits,
        alone=[one for audit in audits for one in audit["alone"]],
        above=counted(name for audit in audits for name in audit["above"]),
        below=counted(name for audit in audits for name in audit["below"]),
        moved=max(audit["moved"] for audit in audits),
        poor=[audit for audit in audits if audit["reference"] < 0.0],
        lost=counted(quantized.loc[quantized["price_low"] > MARGIN, "quantizer"]),
        choices=[choice(study, *audit) for audit in study.audits()],
        agreements=compared,
        twice=twice,
        claims=found,
        claim_names=CLAIMS,
        verdicts=dict(verdicts(found)),
    )


def write(folder):
    """Write the page and the figures beside the CSV files."""
    (folder / "molecules.md").write_text(page(folder), encoding="utf-8")
    study = Study(folder)
    with rc_context(STYLE):
        for head in HEAD:
            draw(study, head).savefig(folder / f"molecules_{head}.svg", metadata={"Date": None, "Creator": None})
