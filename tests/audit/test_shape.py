"""A data set goes a short way through an audit: places it is given to, alone or with the settings that hold it."""

import dataclasses
import sys

from qmis_stats.audit import audit, bundled, head_for
from qmis_stats.audit.data import Dataset
from qmis_stats.quantizers import quantizer

MOST_PLACES, MOST_RETURNS = 12, 3


def holds(value, data):
    """Whether a value is the data set or its arrays, or something that has it."""
    if value is data or value is data.X or value is data.y:
        return True
    if isinstance(value, (tuple, list)):
        return any(holds(part, data) for part in value[:20])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return any(holds(getattr(value, field.name, None), data) for field in dataclasses.fields(value))
    return False


def places(call, data):
    """Return the functions of the package that are given the data set, and those that return it."""
    given, returned = set(), set()
    own = {getattr(member, "fget", member).__code__ for name, member in vars(Dataset).items() if name in OWN}

    def profile(frame, event, value):
        code = frame.f_code
        if "qmis_stats" not in code.co_filename or code in own or code.co_name.startswith("<"):
            return
        if event == "call":
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if any(holds(frame.f_locals.get(name), data) for name in names):
                given.add(code.co_qualname)
        elif event == "return" and holds(value, data):
            returned.add(code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return given, returned


OWN = ("rows", "columns", "outputs", "subgroups", "digest")
"""What a data set says of itself."""


def test_a_data_set_passes_few_places():
    data = bundled("breast_cancer")
    both = [quantizer("sign"), quantizer("uniform-4")]
    head = head_for(data)
    given, returned = places(lambda: audit(data, head, both, runs=2, draws=199), data)
    assert {"audit", "one_run", "head_leak"} <= given  # what the count would miss if it saw nothing
    assert len(given) <= MOST_PLACES, sorted(given)
    assert len(returned) <= MOST_RETURNS, sorted(returned)
