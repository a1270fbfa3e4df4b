"""Eight float64 numbers in registers, for loops that the compiler would not put on vectors by itself.

The compiler has to prove that what is written does not overlap what is read before it keeps numbers in registers;
these few operations say so instead.  Each is one operation on every lane, rounded as on numbers, and runs on whatever
vectors the processor has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

from qmis_kernels._compile import compiled
from qmis_kernels._constants import LANES

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


class _Lanes(types.Type):
    """Numba's type of eight numbers."""


_lanes: Any = _Lanes(f"float64x{LANES}")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


_intrinsic: Any = intrinsic  # whose types do not say what the function is that it returns


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return where the lanes begin: entry ``index`` of a contiguous array, counted over all its axes."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_intrinsic
def load(_typing: Any, array: Any, _index: Any) -> Any:
    """Return the eight entries from ``index`` on of a contiguous array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], *arguments), align=8)

    return _lanes(array, types.intp), generate


@_intrinsic
def store(_typing: Any, array: Any, _index: Any, _numbers: Any) -> Any:
    """Write eight entries from ``index`` on of a contiguous array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _lanes), generate


@_intrinsic
def spread(_typing: Any, _number: Any) -> Any:
    """Return a number in every lane."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return _lanes(types.float64), generate


@_intrinsic
def total(_typing: Any, _numbers: Any) -> Any:
    """Return the sum of the lanes: the halves are added, then the halves of that, then the last two."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        s = [builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), lane)) for lane in range(LANES)]
        while len(s) > 1:
            half = len(s) // 2
            s = [builder.fadd(s[lane], s[half + lane]) for lane in range(half)]
        return s[0]

    return types.float64(_lanes), generate


def _operation(name: str, build: Callable[[Any, Any, Any], Any]) -> Any:
    """Return an operation on two numbers in every lane."""

    def operation(_typing: Any, _left: Any, _right: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return build(builder, *arguments)

        return _lanes(_lanes, _lanes), generate

    operation.__name__ = operation.__qualname__ = name
    return _intrinsic(operation)


add = _operation("add", lambda builder, a, b: builder.fadd(a, b))
subtract = _operation("subtract", lambda builder, a, b: builder.fsub(a, b))
multiply = _operation("multiply", lambda builder, a, b: builder.fmul(a, b))
larger = _operation("larger", lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
smaller = _operation("smaller", lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


@compiled
def aligned(size: int) -> NDArray[np.float64]:
    """Return room for numbers that begins with a line of the cache, so that lanes do not lie across two."""
    room = np.empty(size + LANES)
    begin = -(room.ctypes.data // 8) % LANES
    return room[begin : begin + size]
