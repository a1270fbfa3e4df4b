"""The page and the figures of the synthetic study, from its CSV file; nothing is simulated here."""

import math
from collections import Counter

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import kendalltau, norm
from scipy.stats import t as student
from study_page import render

HEADS = {"linear": "linear regression", "logistic": "logistic regression", "mlp": "perceptron"}
SHOWN = (4, 1024)  # the setting whose tables and plots are on the page: modes, n
Z = 1.959963984540054
# Okabe and Ito's palette; markers differ as well.
FAMILIES = {
    "sign": ("#D55E00", "s"),
    "ternary": ("#0072B2", "o"),
    "sparse": ("#0072B2", "o"),
    "twn": ("#0072B2", "o"),
    "uniform": ("#009E73", "^"),
    "lloyd": ("#CC79A7", "D"),
    "kmeans": ("#CC79A7", "D"),
    "nf4": ("#CC79A7", "D"),
    "log2": ("#CC79A7", "D"),
    "identity": ("#000000", "*"),
}
LABELS = (
    ("sign", "1 bit"),
    ("ternary", "1.58 bits"),
    ("uniform", "uniform"),
    ("lloyd", "other codebooks"),
    ("identity", "no quantization"),
)
STYLE = {
    "svg.hashsalt": "synthetic",
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def look(name):
    """Return colour and marker of a quantizer's family."""
    return next(found for key, found in FAMILIES.items() if name.startswith(key))


def settings(frame):
    """Yield (head, modes, n) with the rows of each setting by quantizer."""
    for key, rows in frame.groupby(["head", "modes", "n"], sort=False):
        yield key, rows.set_index("quantizer")


def orders(rows):
    """Return Kendall's tau between each order by privacy and that of the learned attack (a small AUC is private)."""
    ranked = rows[np.isfinite(rows["indicator"])]
    private = -ranked["learned_auc"]
    found = {}
    for key, values in {
        "indicator": ranked["indicator"],
        "runs": ranked["run_indicator"],
        "analytic": ranked["analytic"],
        "retained": -ranked["retained"],
        "lira": -ranked["lira_auc"],
    }.items():
        known = np.isfinite(values)
        found[key] = float(kendalltau(values[known], private[known]).statistic) if known.sum() > 4 else math.nan
    return found


def mean_interval(values):
    """Return mean and Student's 95 % interval of values of independent settings; none of fewer than two."""
    values = np.asarray([v for v in values if np.isfinite(v)])
    if values.size < 2:
        return None
    half = float(student.ppf(0.975, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def mean_taus(frame):
    """Yield the means of Kendall's tau by head, and over all."""
    found = [(key, orders(rows)) for key, rows in settings(frame)]
    for head, title in (*HEADS.items(), (None, "all")):
        chosen = [taus for key, taus in found if head in (None, key[0])]
        means = [
            mean_interval([t[kind] for t in chosen]) for kind in ("indicator", "runs", "analytic", "retained", "lira")
        ]
        yield {"head": title, "settings": len(chosen), "means": means}


def disjoint(rows, private, leaking):
    """Return whether rank sets show the first to be more private (1), less private (-1), or neither (0)."""
    first, second = rows.loc[private], rows.loc[leaking]
    return int(first["rank_high"] < second["rank_low"]) - int(second["rank_high"] < first["rank_low"])


def counts(frame):
    """Return in how many settings each claim holds, by estimates and with confidence."""
    found = Counter()
    for _, rows in settings(frame):
        found["settings"] += 1
        others = rows.drop(index=["sparse-90"])
        ranked = others[np.isfinite(others["indicator"])]
        mine = rows.loc["sparse-90"]
        if np.isfinite(mine["indicator"]):
            found["first"] += mine["indicator"] > ranked["indicator"].max()
            found["first_sure"] += mine["rank_high"] == 1
            found["first_not"] += mine["rank_low"] > 1
        gaps, errors = others["learned_minus_sparse-90"], others["learned_minus_sparse-90_se"]
        found["least"] += bool((gaps > 0).all())
        found["least_sure"] += bool((gaps > Z * errors).all())
        found["least_not"] += bool((gaps < -norm.ppf(1.0 - 0.025 / len(others)) * errors).any())
        sign = rows.loc["sign"]
        found["sign_r"] += sign["indicator"] < rows.loc["sparse-33", "indicator"]
        order = disjoint(rows, "sparse-33", "sign")
        found["sign_r_sure"] += order == 1
        found["sign_r_not"] += order == -1
        gap, error = sign["learned_minus_sparse-33"], sign["learned_minus_sparse-33_se"]
        found["sign_a"] += gap > 0
        found["sign_a_sure"] += gap > Z * error
        found["sign_a_not"] += gap < -Z * error
        scaled = rows.loc["sign-scaled"]
        found["scaled_a_not"] += scaled["learned_minus_sparse-33"] < -Z * scaled["learned_minus_sparse-33_se"]
        found["scaled_a_sure"] += scaled["learned_minus_sparse-33"] > Z * scaled["learned_minus_sparse-33_se"]
        sparsity, sparsity_se, bits, bits_se = effects(rows)
        found["sparse_a"] += abs(sparsity) > abs(bits)
        error = math.hypot(sparsity_se, bits_se)
        found["sparse_a_sure"] += abs(sparsity) - abs(bits) > Z * error
        found["sparse_a_not"] += abs(bits) - abs(sparsity) > Z * error
        logs = np.log(rows["indicator"].clip(lower=1e-12))
        found["sparse_r"] += abs(logs["sparse-90"] - logs["sparse-33"]) > abs(logs["uniform-8"] - logs["uniform-3"])
    return found


def effects(rows):
    """Return what sparsity (33 to 90 % at 1.58 bits) and bits (3 to 8) change in the attack's AUC, with errors."""
    sparsity = rows.loc["sparse-33", "learned_minus_sparse-90"], rows.loc["sparse-33", "learned_minus_sparse-90_se"]
    bits = -rows.loc["uniform-3", "learned_minus_uniform-8"], rows.loc["uniform-3", "learned_minus_uniform-8_se"]
    return (*map(float, sparsity), *map(float, bits))


def effect_rows(frame):
    """Yield the effects of sparsity and of bits, and of one bit against 33 %, with errors, by setting."""
    for (head, modes, n), rows in settings(frame):
        sparsity, sparsity_se, bits, bits_se = effects(rows)
        sign = rows.loc["sign"]
        one_bit = sign["learned_minus_sparse-33"], sign["learned_minus_sparse-33_se"]
        found = [(sparsity, sparsity_se), (bits, bits_se), one_bit]
        yield {"head": head, "modes": modes, "n": n, "effects": found, "flips": rows["flips"]}


def setting_rows(rows):
    """Return the rows of one setting, the most private by the learned attack first."""
    ranked = rows.assign(ranked=np.isfinite(rows["indicator"])).sort_values("learned_auc")
    return ranked.reset_index().to_dict("records")


def _axes(columns, width=7.0, height=2.7, sharey=True):
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns, sharey=sharey, squeeze=False)[0]


def _points(ax, rows, x, y):
    for name, row in rows.iterrows():
        colour, marker = look(name)
        if not (np.isfinite(row[x]) and np.isfinite(row[y])):
            continue
        horizontal = (
            [[max(row[x] - row[f"{x}_low"], 0.0)], [max(row[f"{x}_high"] - row[x], 0.0)]] if f"{x}_low" in row else None
        )
        vertical = [[row[y] - row[f"{y}_low"]], [row[f"{y}_high"] - row[y]]]
        ax.errorbar(
            row[x], row[y], vertical, horizontal, fmt=marker, color=colour, markersize=4, linewidth=0.7, alpha=0.9
        )


def _legend(figure, labels=LABELS):
    handles = [
        Line2D([], [], color=FAMILIES[k][0], marker=FAMILIES[k][1], linestyle="", markersize=4, label=label)
        for k, label in labels
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize="small", handletextpad=0.1)


def _note(ax, rows, x, y, names):
    for name in names:
        row = rows.loc[name]
        if np.isfinite(row[x]):
            ax.annotate(name, (row[x], row[y]), xytext=(4, -9), textcoords="offset points", fontsize=6.5)


def indicator_figure(frame, path):
    """Draw the learned attack's AUC against r̂, one panel per head."""
    figure, axes = _axes(3)
    found = dict(settings(frame))
    for ax, head in zip(axes, HEADS, strict=True):
        rows = found[head, *SHOWN]
        floor = 1e-7
        shown = rows.assign(
            indicator=rows["indicator"].clip(lower=floor), indicator_low=rows["indicator_low"].clip(lower=floor)
        )
        _points(ax, shown, "indicator", "learned_auc")
        _note(ax, shown, "indicator", "learned_auc", ("sparse-90", "sign", "sparse-33"))
        ax.set(xscale="log", xlabel="indicator r̂", title=HEADS[head], xlim=(floor / 2, None))
    axes[0].set_ylabel("AUC of the learned attack")
    _legend(figure, LABELS[:-1])
    figure.savefig(path, metadata={"Date": None})


def theory_figure(frame, path):
    """Draw the learned attack's AUC against the best attack's by S8, one panel per sample size."""
    figure, axes = _axes(3)
    for ax, n in zip(axes, (256, 1024, 4096), strict=True):
        ends = []
        for (head, modes, size), rows in settings(frame):
            if size != n or modes != SHOWN[0] or head == "mlp":
                continue
            for name, row in rows.iterrows():
                colour, marker = look(name)
                ends += [row["predicted_auc"], row["learned_auc"]]
                error = [[row["learned_auc"] - row["learned_auc_low"]], [row["learned_auc_high"] - row["learned_auc"]]]
                fill = colour if head == "linear" else "none"
                ax.errorbar(
                    row["predicted_auc"],
                    row["learned_auc"],
                    error,
                    fmt=marker,
                    color=colour,
                    markerfacecolor=fill,
                    markersize=4,
                    linewidth=0.7,
                )
        ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color="0.4", linewidth=0.8, linestyle="--")
        ax.set(xlabel="best attack by S8", title=f"n = {n}")
    axes[0].set_ylabel("AUC of the learned attack")
    _legend(figure)
    figure.savefig(path, metadata={"Date": None})


def near_thresholds(frame):
    """Yield measured retained information beside 1.806 (e/s) Σ φ(t), for weights that spread like a normal law."""
    codes = (("sign", 0.0, 1), ("sparse-33", 0.33, 2), ("sparse-50", 0.5, 2), ("sparse-90", 0.9, 2))
    for (head, modes, n), rows in settings(frame):
        if head != "linear" or modes != SHOWN[0] or n == 256:
            continue
        for name, zeros, thresholds in codes:
            formula = 1.8064 * math.sqrt(128 / n) * thresholds * norm.pdf(norm.ppf(0.5 + 0.5 * zeros))
            measured = rows.loc[name, "retained"]
            yield {"head": head, "n": n, "quantizer": name, "measured": measured, "formula": formula}


def full_sets(frame):
    """Return how many rank sets hold every rank, of the points and over runs, and of how many."""
    ranked = frame[np.isfinite(frame["indicator"])]
    most = ranked.groupby(["head", "modes", "n"])["rank"].transform("size")
    full = {
        kind: int(((ranked[f"{kind}_low"] == 1) & (ranked[f"{kind}_high"] == most)).sum())
        for kind in ("rank", "run_rank")
    }
    return full | {"sets": len(ranked)}


def control_scores(frame):
    """Return AUCs under random membership less one half, in standard errors of as many independent pairs."""
    pairs = np.where(frame["head"] == "mlp", 8, 16) * 300
    areas = frame[["lira_control_auc", "loss_control_auc", "learned_control_auc"]].to_numpy()
    return (areas - 0.5) / np.sqrt(1.0 / (6.0 * pairs))[:, None]


def page(folder):
    """Return the page of the CSV file in a folder."""
    frame = pd.read_csv(folder / "synthetic.csv")
    found = dict(settings(frame))
    return render(
        "synthetic",
        heads=HEADS,
        metrics={"auroc": "AUROC", "r2": "R²"},
        z=Z,
        modes=SHOWN[0],
        n=SHOWN[1],
        found=counts(frame),
        minutes=frame.groupby(["head", "modes", "n"])["seconds"].max().sum() / 60,
        controls=control_scores(frame),
        largest_control=np.abs(control_scores(frame)).max(),
        effects=effect_rows(frame),
        taus=mean_taus(frame),
        full=full_sets(frame),
        near=near_thresholds(frame),
        shown={head: setting_rows(found[head, *SHOWN]) for head in HEADS},
    )


def write(path):
    """Write page and figures beside the CSV file."""
    frame = pd.read_csv(path)
    if frame.groupby(["head", "modes", "n"]).ngroups < len(HEADS):
        return  # a quick run has nothing to compare
    with rc_context(STYLE):
        indicator_figure(frame, path.with_name("synthetic_indicator.svg"))
        theory_figure(frame, path.with_name("synthetic_theory.svg"))
    path.with_name("synthetic.md").write_text(page(path.parent), encoding="utf-8")
