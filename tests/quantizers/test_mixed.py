"""Mixed precision: which quantizer a layer gets, how it is spelled, and what is refused in one line."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from qmis_stats import leakage
from qmis_stats.errors import DomainError, InputError
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights import Mixed
from qmis_stats.quantizers.weights.base import to_be_calibrated
from qmis_stats.quantizers.weights.names import names_in

LAYERS = ("body.0.weight", "body.2.weight", "head.weight")
ENDS = "mixed(first=uniform-8,last=uniform-8,*=uniform-4)"


def given(name: str, layers: tuple[str, ...] = LAYERS) -> list[str]:
    return [one.name for one in quantizer(name).of_layers(layers)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (ENDS, ["uniform-8", "uniform-4", "uniform-8"]),
        ("mixed(head.weight=identity,*=nf4)", ["nf4", "nf4", "identity"]),
        ("mixed(body.*.weight=sign,*=uniform-8)", ["sign", "sign", "uniform-8"]),
        ("mixed(*.2.weight=sign+nf4,body.*=q4_0,last=nf4:g64:double)", ["q4_0", "sign+nf4", "nf4:g64:double"]),
        ("mixed(*=nf4,last=sign)", ["nf4", "nf4", "nf4"]),  # the first pattern that fits counts
    ],
)
def test_the_first_pattern_that_fits_gives_a_layer_its_quantizer(name: str, wanted: list[str]) -> None:
    assert given(name) == wanted
    assert quantizer(name).name == name


def test_one_layer_is_the_first_and_the_last() -> None:
    assert given(ENDS.replace(",*=uniform-4", ""), ("weight",)) == ["uniform-8"]


def test_a_mixture_compares_hashes_and_pickles_by_value() -> None:
    one = quantizer(ENDS)
    again = Mixed({"first": quantizer("uniform-8"), "last": quantizer("uniform-8"), "*": quantizer("uniform-4")})
    assert one == again == pickle.loads(pickle.dumps(one))
    assert len({one, again, quantizer("mixed(*=nf4)")}) == 2
    assert math.isnan(one.bits)


def test_a_mixture_is_calibrated_where_a_part_is() -> None:
    assert to_be_calibrated(quantizer("mixed(first=uniform-8,*=gptq-4)"))
    assert not to_be_calibrated(quantizer(ENDS))


def refused(match: str, call) -> None:
    with pytest.raises((InputError, DomainError), match=match) as error:
        call()
    assert "\n" not in str(error.value)


def test_what_fits_nothing_is_named_with_the_layers() -> None:
    listed = "body.0.weight, body.2.weight, head.weight"
    refused(rf"pattern = 'lm_head\.\*'.*{listed}", lambda: given("mixed(lm_head.*=nf4,*=sign)"))
    refused(r"layers = 'body.0.weight, body.2.weight'.*\*=QUANTIZER", lambda: given("mixed(head.*=nf4)"))


@pytest.mark.parametrize(
    "name",
    [
        "mixed()",
        "mixed(nf4)",
        "mixed(*=)",
        "mixed(*=nf3)",
        "mixed(=nf4)",
        "mixed(*=nf4,*=sign)",
        "mixed(*=nf4)+sign",
        "mixed(*=mixed(*=nf4))",
        "mixed(*=nf4",
        "mixed(*= nf4)",
    ],
)
def test_other_spellings_are_refused_in_one_line(name: str) -> None:
    refused("quantizer|choices", lambda: quantizer(name))


def test_weights_alone_have_no_layers() -> None:
    for call in (quantizer(ENDS).quantize, quantizer(ENDS).codes):
        refused("names of layers", lambda call=call: call(np.ones(3)))
    X = np.random.default_rng(1).normal(size=(80, 3))
    refused("names of layers", lambda: leakage(Ridge().fit(X, X[:, 0]), [ENDS], X=X, y=X[:, 0]))


def test_commas_within_brackets_belong_to_one_name() -> None:
    assert names_in(f"nf4, {ENDS},sign") == ["nf4", ENDS, "sign"]
    assert names_in("nf4") == ["nf4"]
