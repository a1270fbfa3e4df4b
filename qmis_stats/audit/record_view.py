"""Exposures of records on the page of an audit: how they are spread, and which rows are exposed most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.audit.quantizers import IDENTITY, release_name
from qmis_stats.audit.wording import number
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.reporting.figures import STYLE, inline_svg
from qmis_stats.reporting.tables import Table, estimates, texts

if TYPE_CHECKING:
    from markupsafe import Markup

    from qmis_stats.audit.audit_result import AuditResult

__all__ = ["record_view"]

_MOST = 10
_BINS = 40
_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def record_view(result: AuditResult, releases: Sequence[str]) -> dict[str, Any] | None:
    """Return a histogram of the exposures, and tables of their quantiles and of the most exposed records.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    releases : sequence of str
        Quantizers and ``"identity"``.

    Returns
    -------
    dict or None
        ``None`` where theory has no leak.
    """
    leak = result.leak
    if not isinstance(leak, LeakageResult):
        return None
    exposure = {name: leak.exposure[:, leak.names.index(name)] for name in releases}
    frame = result.records()
    whole = frame[frame["quantizer"] == IDENTITY].nlargest(_MOST, "exposure")["row"].tolist()
    some = {name: frame[frame["quantizer"] == name].set_index("row").loc[whole] for name in releases}
    most = {
        "row": texts(whole),
        **{release_name(name): estimates(of, ".3f", "exposure") for name, of in some.items()},
        "nearly repeats row": texts(some[IDENTITY]["near_duplicate_of"]),
    }
    quantiles = np.quantile(list(exposure.values()), _QUANTILES, axis=1)
    shares = {"release": map(release_name, exposure)} | {
        f"{100.0 * q:g} %": map(number, values) for q, values in zip(_QUANTILES, quantiles, strict=True)
    }
    return {
        "svg": _histogram(exposure),
        "quantiles": Table.of("Exposure that so many of the records do not exceed", shares),
        "most": Table.of("The most exposed without quantization, each with its own 95 % interval", most),
    }


def _histogram(exposure: dict[str, Any]) -> Markup:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    edges = np.linspace(0.0, max(float(values.max()) for values in exposure.values()) * (1.0 + 1e-9), _BINS + 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for name, values in exposure.items():
            axes.hist(values, edges.tolist(), histtype="step", label=release_name(name))
        axes.set_xlabel("exposure of a record")
        axes.set_ylabel("records")
        axes.legend(frameon=False)
        alt = f"Histogram of the exposures of records under {', '.join(map(release_name, exposure))}."
        return inline_svg(figure, "exposures", alt)
