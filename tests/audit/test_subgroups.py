"""Groups of an audit: who leaks most is only said where it is shown, on the screen, the page and in files."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from qmis_stats import InputError
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.audit_page import report_data, report_html
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.group_lines import GroupLine, group_lines, shown_releases, who_leaks_most
from qmis_stats.audit.subgroups import Subgroups, group_performance
from qmis_stats.audit.tables import load_table
from qmis_stats.display import group_table
from qmis_stats.quantizers import quantizer
from tests.page import Page, check_offline, check_readable

HOSTILE = "<b>&[red]"


def people(rows: int = 500) -> pd.DataFrame:
    """Return a table in which the features of women vary more, with a clinic that few went to."""
    rng = np.random.default_rng(2)
    sex = np.where(rng.random(rows) < 0.4, "f", "m")
    X = rng.normal(size=(rows, 30)) * np.where(sex == "f", 2.0, 1.0)[:, None]
    y = X @ rng.normal(size=30) / 5.0 + rng.normal(size=rows)
    clinic = rng.choice(np.array([HOSTILE, "b", "rare"]), rows, p=[0.5, 0.46, 0.04])
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(30)])
    return frame.assign(sex=sex, clinic=clinic, age=rng.integers(18, 90, rows), y=y)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("groups") / "people.csv"
    people().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def result(file):
    data = load_table(file, "y", by=["sex", "clinic"], ignore=["clinic"])
    assert "sex=m" in data.features
    assert not any(name.startswith("clinic") for name in data.features)
    return audit(data, head_for(data), [quantizer("sign")], runs=2, evaluation=0.4, seed=1)


def test_columns_of_groups(result):
    frame = result.by_group()
    assert set(frame.index.get_level_values("column")) == {"sex", "clinic"}
    women = frame.loc[("sex", "f", "identity")]
    assert women["difference_low"] > 0.0
    assert women["delta_low"] < women["delta"] < women["delta_high"]
    assert women["mae_low"] < women["mae"] < women["mae_high"]
    rare = frame.loc[("clinic", "rare", "identity")]
    assert rare[["delta", "mae"]].isna().all()
    assert frame.groupby(["column", "quantizer"])["records"].sum().eq(result.leak.points).all()
    # Two columns share the level.
    alone = next(column for column in result.groups if column.name == "sex").to_frame(0.975)
    np.testing.assert_allclose(frame.loc["sex"].astype(float), alone.astype(float))


def test_who_leaks_most_is_said_where_it_is_shown(result):
    lines = group_lines(result, ("identity", "sign"))
    said = who_leaks_most(result, lines)
    assert said.startswith("Without quantization more leaks from sex = f (by 0.")
    assert "Under sign " in said
    assert "clinic = rare (" in said
    equal = [dataclasses.replace(line, difference=0.0, difference_interval=(-0.1, 0.1)) for line in lines]
    assert "Without quantization no difference between groups is shown." in who_leaks_most(result, equal)
    alone = [dataclasses.replace(line, difference=None, difference_interval=None) for line in lines]
    assert "no two groups are large enough to be compared" in who_leaks_most(result, alone)
    leak = dataclasses.replace(result.leak, reasons=(("for a test",), ()))
    outside = dataclasses.replace(result, groups=tuple(dataclasses.replace(g, leak=leak) for g in result.groups))
    assert "Under sign the theory is outside of its domain." in who_leaks_most(outside, lines)


def test_the_screen_fits(result):
    console = Console(width=80, file=io.StringIO())
    console.print(group_table(result, ("identity", "sign")))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    [header] = [line for line in text.splitlines() if line.startswith("group")]
    assert header.split() == ["group", "rows", "Δ", "low", "high", "more", "low", "high", "score", "low", "high"]
    assert "sex = f" in text
    assert HOSTILE in text.replace("\n", "").replace(" ", "")
    assert "more leaks from sex = f" in " ".join(text.split())


def test_the_page_and_the_json_hold_them(result):
    page = report_html(result)
    check_offline(Page(page))
    check_readable(Page(page))
    text = Page(page).text()
    assert "Who leaks most" in text
    assert f"clinic = {HOSTILE}" in text
    assert HOSTILE not in page
    data = json.loads(json.dumps(report_data(result), allow_nan=False))
    rows = {(row["column"], row["group"], row["quantizer"]): row for row in data["groups"]}
    frame = result.by_group()
    assert rows["sex", "f", "sign"]["difference"] == pytest.approx(frame.loc[("sex", "f", "sign"), "difference"])
    assert rows["clinic", "rare", "sign"]["delta"] is None
    assert rows["clinic", "rare", "sign"]["records"] > 0


def test_records_have_groups_and_near_duplicates():
    frame = people(300)
    features = [name for name in frame if name.startswith("x")]
    frame.loc[[7, 260], features] = frame.loc[[6, 6], features].to_numpy() + 1e-4
    data = from_arrays(frame[features], frame["y"], name="people", by={"sex": frame["sex"]})
    held = np.r_[0:5, 250:300]
    result = audit(data, head_for(data), [quantizer("sign")], runs=1, evaluation=held.tolist())
    records = result.records()
    plain = records[records["quantizer"] == "identity"].set_index("row")
    assert (plain["by_sex"] == frame["sex"].to_numpy()[plain.index - 1]).all()
    # Row 261 is not trained on.
    assert plain["near_duplicate_of"].dropna().to_dict() == {7: 8, 8: 7}
    assert any(note.startswith("2 of 245 training records nearly repeat another one") for note in result.notes)


def test_classes_are_groups_without_being_asked(binary):
    """Ten features are too few for the theory: performance is told, and that the leak of groups is not known."""
    result = audit(binary, head_for(binary), [quantizer("sign")], runs=1)
    assert [column.name for column in result.groups] == ["class"]
    frame = result.by_group()
    assert {"accuracy", "accuracy_low", "accuracy_high"} <= set(frame)
    assert "delta" not in frame
    lines = group_lines(result, shown_releases(answer(result)))
    assert who_leaks_most(result, lines).startswith("What each group leaks is not known: theory has no answer")
    assert all(line.delta is None for line in lines)
    whole = result.scores.to_frame().loc["identity", "accuracy"]
    held = frame.xs("identity", level="quantizer")
    assert np.average(held["accuracy"], weights=held["held_out"]) == pytest.approx(whole)


def test_a_regression_without_columns_has_no_groups():
    frame = people(100)
    data = from_arrays(frame[["x0", "x1"]], frame["y"])
    result = audit(data, head_for(data), [quantizer("sign")], runs=1)
    assert result.groups == ()
    assert "Who leaks most" not in report_html(result)
    assert report_data(result)["groups"] == []
    with pytest.raises(InputError, match="a column of groups"):
        result.by_group()


def test_all_right_is_not_certain():
    """Clopper and Pearson: of 40 points that are all right the accuracy may be 0.05^(1/40) and more."""
    y = np.tile([0.0, 1.0], 50)
    labels = np.repeat(["a", "b"], [40, 60])
    held, scores = group_performance("binary", y, {"identity": [np.where(np.arange(100) < 70, 0.9 * y, 0.6)]}, labels)
    column = Subgroups("g", np.array([]), None, held, scores, "accuracy")
    value, low, high = column.score("a", "identity", 0.8)
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(0.05 ** (1.0 / 40.0))
    value, low, high = column.score("b", "identity", 0.8)
    assert (value, low < 0.75 < high) == (0.75, True)
    assert column.score("c", "identity", 0.8) is None
    clustered, none = group_performance("binary", y, {"identity": [y]}, labels, np.arange(100, dtype=np.int64) // 2)
    assert (clustered, list(none)) == ({"a": 20, "b": 30}, ["b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "sex"}, "by = 'sex': must be a sequence of columns"),
        ({"by": ["height"]}, "by = 'height': must be a column of"),
        ({"by": ["y"]}, "by = 'y': must be another column than the target"),
        (
            {"by": ["age"]},
            "by 'age' = '72 different values': must be at most 50 of them; cut numbers into classes first",
        ),
    ],
)
def test_bad_columns_get_one_line(file, options, message):
    with pytest.raises(InputError) as caught:
        load_table(file, "y", **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_arrays_get_one_line():
    X, y = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40) % 2
    for by, message in (
        ({"sex": ["f"] * 40}, "of at least 2 different values, not the same in every row"),
        ({"sex": ["f"]}, "one label per record"),
        ({"class": y}, "another name: the classes of the target are groups already"),
    ):
        with pytest.raises(InputError, match=message):
            from_arrays(X, y, by=by)
    data = from_arrays(X, y, by={"half": np.arange(40) < 20})
    assert list(data.subgroups) == ["class", "half"]
    with pytest.raises(InputError, match=r"by 'half' = \(3,\)"):
        dataclasses.replace(data, by={"half": np.array(["a"] * 3)})


def test_rows_that_are_left_out_take_their_groups_along():
    X = np.arange(60.0).reshape(30, 2)
    X[3, 0] = np.nan
    X[9] = X[8]
    y = np.arange(30.0) ** 2
    y[9] = y[8]
    data = from_arrays(X, y, missing="drop", by={"row": [f"r{k}" for k in range(30)]})
    assert data.by["row"].tolist() == [f"r{k}" for k in range(30) if k not in (3, 9)]


def test_lines_name_column_and_group():
    assert GroupLine("sex", "f", "sign", 3).name == "sex = f"
