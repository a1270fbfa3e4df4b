"""Data sets from arrays: each kind of malformed data has one clear line or a documented treatment."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from qmis_stats import InputError
from qmis_stats.audit.algorithm import head_for
from qmis_stats.audit.data import Dataset, from_arrays, infer_task

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0]


def refused(match, *args, **options):
    with pytest.raises(InputError, match=match) as error:
        from_arrays(*args, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([0, 1] * 20, "binary"),
        ([1.5, -2.0] * 20, "binary"),
        (["a", "b"] * 20, "binary"),
        (["a", "b", "c", "d"] * 10, "multiclass"),
        ([0, 1, 2, 3] * 10, "multiclass"),
        (list(range(40)), "regression"),
        ([0.5, 1.0, 1.5, 2.0] * 10, "regression"),
        ([True, False] * 20, "binary"),
    ],
)
def test_task_is_inferred(target, task):
    assert infer_task(np.array(target)) == task
    assert from_arrays(X, target).task == task


def test_task_can_be_named():
    target = [0, 1, 2, 3] * 10
    assert from_arrays(X, target, task="regression").classes == ()
    refused("two distinct values", X, target, task="binary")
    refused("numbers for a regression", X, ["a", "b"] * 20, task="regression")
    refused("one of regression", X, target, task="ranking")
    refused("far fewer classes", X, list(range(40)), task="multiclass")


def test_classes_are_numbered_and_said():
    data = from_arrays(X, ["no", "yes"] * 20)
    assert data.classes == ("no", "yes")
    assert data.y.tolist() == [0.0, 1.0] * 20
    assert data.notes == ("Classes of the target are numbered: no = 0, yes = 1.",)
    assert from_arrays(X, [0, 1] * 20).notes == ()


def test_missing_values():
    holes, target = X.copy(), Y.copy()
    holes[4, 1] = holes[7, 0] = target[9] = np.nan
    refused(r"column 'x1', row 5 = 'missing'.*3 rows .*: 5, 8, 10.*missing='drop' leaves them out", holes, target)
    data = from_arrays(holes, target, missing="drop")
    assert data.rows == 37
    assert data.notes == ("3 of 40 rows have missing values and are left out.",)
    refused("'refuse' or 'drop'", X, Y, missing="mean")
    refused("target, row 1", X, np.where(np.arange(40) == 0, np.nan, Y))
    text = ["a", "b"] * 19 + [None, "b"]
    refused("target, row 39", X, np.array(text, dtype=object))
    assert from_arrays(X, np.array(text, dtype=object), missing="drop").rows == 39


def test_infinite_values_are_refused_even_when_missing_ones_are_dropped():
    endless = X.copy()
    endless[2, 2] = -np.inf
    refused("column 'x2', row 3 = inf: must be a finite", endless, Y, missing="drop")
    refused("target, row 2 = inf", X, np.where(np.arange(40) == 1, np.inf, Y))


@pytest.mark.parametrize(
    ("match", "features", "target"),
    [
        ("not the same in every row", X, np.ones(40)),
        ("not the same in every row", X, ["a"] * 40),
        ("rows = 19: must be at least 20", X[:19], Y[:19]),
        ("target = 'shape .39,.': must be one value per row, of shape .40,.", X, Y[:-1]),
        ("array of numbers", [["a"]] * 40, Y),
        ("shape", np.empty((40, 0)), Y),
        ("different rows without missing", np.full((40, 1), np.nan), Y),
    ],
)
def test_refused(match, features, target):
    refused(match, features, target, missing="drop")


def test_repeated_rows_are_left_out_before_anything_is_drawn():
    doubled = np.vstack([X, X[:5], X[5:8]])
    target = np.concatenate([Y, Y[:5], Y[5:8] + 1.0])
    data = from_arrays(doubled, target)
    assert data.rows == 43
    assert data.notes[0].startswith("5 rows repeat another one")
    assert data.notes[1].startswith("3 rows have the features of an earlier row and another target")
    assert np.array_equal(data.X[:40], X)


CLASSES = np.arange(40) % 2


class Tensor:
    """What from_arrays needs of a tensor of PyTorch that is not in the memory of the processor."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = double = detach

    def numpy(self):
        return self.array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype=dtype)


@pytest.mark.parametrize(
    "features",
    [
        X.tolist(),
        X.astype(object),
        np.ma.array(X),
        pd.DataFrame(X),
        pd.DataFrame(X).astype(object),
        pd.DataFrame(X).convert_dtypes(),
        sparse.csr_array(X),
        Tensor(X),
        X.astype(">f8"),
        np.asfortranarray(X),
    ],
    ids=lambda value: type(value).__name__,
)
def test_features_of_any_kind_are_the_same(features):
    assert np.array_equal(from_arrays(features, Y).X, X)


@pytest.mark.parametrize(
    "target",
    [
        CLASSES.tolist(),
        CLASSES[:, None],
        CLASSES.astype(bool),
        CLASSES.astype(object),
        CLASSES.astype(str),
        CLASSES.astype("S1"),
        np.ma.array(CLASSES),
        pd.Series(CLASSES),
        pd.Series(CLASSES).astype("Int64"),
        pd.Series(CLASSES).astype("category"),
        pd.Series(CLASSES).astype("string"),
        pd.DataFrame(CLASSES),
        Tensor(CLASSES),
        [Decimal(int(c)) for c in CLASSES],
    ],
    ids=lambda value: type(value).__name__,
)
def test_targets_of_any_kind_are_the_same(target):
    data = from_arrays(X, target)
    assert (data.task, data.classes, data.notes) == ("binary", ("0", "1"), ())
    assert np.array_equal(data.y, CLASSES)
    assert from_arrays(X, np.asarray(target, dtype=object).ravel(), task="regression").y.tolist() == data.y.tolist()


def test_missing_values_of_any_kind_are_missing():
    whole = pd.DataFrame(X).convert_dtypes()
    whole.iloc[3, 1] = pd.NA
    for features in (whole, np.ma.array(X, mask=np.arange(120).reshape(40, 3) == 10)):
        assert from_arrays(features, Y, missing="drop").rows == 39
    for gone in (None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT")):
        target = CLASSES.astype(object)
        target[5] = gone
        refused("target, row 6", X, target)
        assert from_arrays(X, target, missing="drop").rows == 39
    assert from_arrays(X, np.ma.array(CLASSES, mask=CLASSES + np.arange(40) == 0), missing="drop").rows == 39


@pytest.mark.parametrize(
    ("match", "target"),
    [
        (r"one-hot, of shape \(40, 2\).*y.argmax\(axis=1\)", np.eye(2)[CLASSES]),
        (r"one value per row, of shape \(40,\)", np.ones((40, 2))),
        ("array of complex128", Y + 0j),
        ("array of datetime64", np.arange(40).astype("datetime64[D]")),
        ("row 1 = 'date'", [datetime.date(2024, 1, 1)] * 40),
        ("text in UTF-8", [b"\xff"] * 40),
        (r"target, row 1 = '0,5': must be .* decimal=',' reads", [f"{i},5" for i in range(40)]),
        (
            r"target, row 3 = '\?': must be a number.*missing_values=\['\?'\]",
            ["0.5", "1", "?", *map(str, range(37))],
        ),
    ],
)
def test_targets_that_are_refused(match, target):
    refused(match, X, target)


def test_what_looks_like_numbers_can_be_classes():
    commas = [f"{i % 30},5" for i in range(40)]
    refused("decimal=','", X, commas)
    refused("decimal=','", X, commas, task="regression")
    refused("far fewer classes", X, commas, task="multiclass")
    assert from_arrays(X, ["1,0", "2,0"] * 20).classes == ("1,0", "2,0")
    mixed = from_arrays(X, ["1", "2", "3", "unknown"] * 10)
    assert mixed.classes == ("1", "2", "3", "unknown")
    assert (
        mixed.notes[1]
        == "'unknown' is a class beside numbers; missing_values=['unknown'] says that it marks what is missing."
    )
    assert len(from_arrays(X, ["a", "b"] * 20).notes) == 1
    one = [*map(str, np.arange(39) % 2), "unknown"]
    refused(
        r"row 40 = 'unknown': must be a number.*missing_values=\['unknown'\].*; task='multiclass' makes it a class",
        X,
        one,
    )
    assert from_arrays(X, one, task="multiclass").classes == ("0", "1", "unknown")


def test_features_that_are_no_real_numbers_are_refused():
    refused("array of numbers", X + 0j, Y)
    refused("array of numbers", np.arange(120).astype("datetime64[D]").reshape(40, 3), Y)


def test_points_of_more_dimensions():
    images = np.arange(40 * 12.0).reshape(40, 2, 3, 2)
    data = from_arrays(images, Y)
    assert (data.X.shape, data.columns, data.features[-1]) == (images.shape, 12, "x11")
    images[7, 1, 2, 0] = np.nan
    refused("column 'x10', row 8", images, Y)
    refused("shape of X", np.empty((40, 2, 0)), Y)
    with pytest.raises(InputError, match="for PyTorch modules"):
        list(head_for(data).fit_path(data.X, data.y, np.random.default_rng(0)))


def test_minus_zero_is_zero():
    zeros = np.vstack([X, [[0.0, 1.0, 2.0]], [[-0.0, 1.0, 2.0]]])
    assert from_arrays(zeros, np.append(Y, [3.0, 3.0])).rows == 41


def test_groups_follow_their_rows():
    doubled = np.vstack([X[:1], X])
    data = from_arrays(doubled, np.append(Y[0], Y), groups=[f"g{i // 4}" for i in range(41)])
    assert data.groups.shape == (40,)
    assert len(set(data.groups)) == 11


def test_many_columns():
    wide = np.random.default_rng(0).integers(0, 2, size=(30, 100_000)).astype(np.float64)
    assert from_arrays(wide, np.arange(30.0)).columns == 100_000


def test_a_data_set_checks_itself():
    with pytest.raises(InputError, match="0 or 1 for a binary"):
        Dataset("d", X, np.array([0.0, 2.0] * 20), "binary", ("a", "b", "c"))
    with pytest.raises(InputError, match="3 names"):
        Dataset("d", X, Y, "regression", ("a",))
    assert from_arrays(X, Y).digest() != from_arrays(X, Y + 1.0).digest()
