"""Values as a message shows them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

__all__ = ["shown"]

_LONGEST_INTEGER = 1000
_LONGEST_TEXT = 50
_SHOWN_ENTRIES = 50
_SHOWN_DEPTH = 4


def shown(value: object, depth: int = 0) -> object:
    """Return a value whose rendering is short and reads like the file.

    Python refuses to write integers of more than 4300 digits, and a message is no place for the others.

    Examples
    --------
    >>> shown([Decimal("0.1"), 16**5000])
    [0.1, 'an integer of 20001 bits']
    """
    if isinstance(value, Decimal):
        return "sNaN" if value.is_snan() else float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = list(value[:_SHOWN_ENTRIES]) if value.ndim else value.item()
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        return value[:_LONGEST_TEXT] + "…" if len(value) > 2 * _LONGEST_TEXT else value
    if isinstance(value, (list, tuple, dict)) and depth == _SHOWN_DEPTH:
        return "…"
    if isinstance(value, (list, tuple)):
        return [shown(entry, depth + 1) for entry in value[:_SHOWN_ENTRIES]]
    if isinstance(value, dict):
        pairs = list(value.items())[:_SHOWN_ENTRIES]
        return {str(shown(key)): shown(entry, depth + 1) for key, entry in pairs}
    return value
