"""A data set in units that are taken to be public: a model that works in them releases nothing but its weights."""

from __future__ import annotations

from dataclasses import replace

from qmis_stats.audit.data import READ_BY, Dataset
from qmis_stats.audit.models.base import scaling, target_scaling
from qmis_stats.audit.models.units import Units
from qmis_stats.validation import instance_of

__all__ = ["in_units", "public_units"]


def public_units(dataset: Dataset) -> Units:
    """Return location and scale of the features that are not 0 or 1 throughout, and of the target of a regression.

    They are those of all rows. That they tell nothing of the training points is an assumption: it holds where they were
    published before, or come from other points of the population.

    Examples
    --------
    >>> from qmis_stats.audit import bundled
    >>> units = public_units(bundled("diabetes"))
    >>> units.location.shape, round(units.centre, 1)
    ((10,), 152.1)
    """
    instance_of(Dataset, "dataset", dataset, READ_BY)
    target = target_scaling(dataset.y) if dataset.task == "regression" else (0.0, 1.0)
    return Units(*scaling(dataset.X, "auto"), *target)


def in_units(dataset: Dataset, units: Units) -> Dataset:
    """Return the data set with features and target in some units; it is for models with ``standardise="public"``.

    Parameters
    ----------
    dataset : Dataset
        With one dimension per point.
    units : Units
        From :func:`public_units`, or published ones.

    Examples
    --------
    >>> from qmis_stats.audit import bundled, head_for
    >>> data = bundled("diabetes")
    >>> data = in_units(data, public_units(data))
    >>> round(float(data.y.std()), 6), data.notes[-1]
    (1.0, 'Features and target are in units that are taken to be public, and errors are told in them.')
    >>> head_for(data, standardise="public").standardise
    'public'
    """
    instance_of(Dataset, "dataset", dataset, READ_BY)
    instance_of(Units, "units", units, "public_units makes them of a data set")
    what = "Features and target are in units that are taken to be public, and errors are told in them."
    if dataset.task != "regression":
        what = "Features are in units that are taken to be public."
    y = (dataset.y - units.centre) / units.unit
    return replace(dataset, X=units.apply(dataset.X), y=y, notes=(*dataset.notes, what))
