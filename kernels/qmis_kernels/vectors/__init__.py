"""Known answers: published words of the generator and frozen results of every function of the table.

``philox.csv`` holds the known answers published with Random123 (hexadecimal words).  ``functions.json`` holds
calls and their results (hexadecimal floating point), recorded from the reference backend.  Results from a
seed are a promise: a change of ``functions.json`` needs an entry in the changelog.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FOLDER = Path(__file__).parent


def philox_answers() -> list[dict[str, int]]:
    """Return the known answers: words c0 to c3 (counter), k0 and k1 (key), w0 to w3 (result)."""
    with (_FOLDER / "philox.csv").open(newline="") as stream:
        return [{name: int(word, 16) for name, word in row.items()} for row in csv.DictReader(stream)]


def frozen_calls() -> list[dict[str, Any]]:
    """Return the frozen calls: function, arguments, and results.

    A result has a shape and values (hexadecimal floating point).  It stands in the call itself when the function
    returns one array, in the list ``results`` when it returns several.
    """
    calls: list[dict[str, Any]] = json.loads((_FOLDER / "functions.json").read_text())
    return calls


def frozen_result(call: dict[str, Any]) -> NDArray[np.float64] | tuple[NDArray[np.float64], ...]:
    """Return the result of a frozen call: an array, or a tuple of arrays."""
    return tuple(_array(result) for result in call["results"]) if "results" in call else _array(call)


def record() -> None:
    """Compute the results of all frozen calls anew with the reference backend and write them."""
    from qmis_kernels import backend

    calls = frozen_calls()
    for call in calls:
        found = getattr(backend("reference"), call["function"])(*call["arguments"])
        if isinstance(found, tuple):
            call["results"] = [_record(values) for values in found]
        else:
            call.update(_record(found))
    lines = ",\n".join(json.dumps(call) for call in calls)
    (_FOLDER / "functions.json").write_text(f"[\n{lines}\n]\n")


def _array(result: dict[str, Any]) -> NDArray[np.float64]:
    return np.array([float.fromhex(value) for value in result["values"]]).reshape(result["shape"])


def _record(values: NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(values.shape), "values": [float(value).hex() for value in values.ravel()]}
