"""One compiled thread a test process: the workers of a parallel run share the cores. Grids, thinned out."""

import gc
from zlib import crc32

import pytest

import qmis_kernels

gc.disable()  # while tests are collected: nothing of them is garbage
collect_ignore = ["user_script.py"]  # it computes; a test runs it


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = qmis_kernels.threads()
    qmis_kernels.set_threads(1)
    yield
    qmis_kernels.set_threads(before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as long what a grid leaves out; by a checksum, since every k-th case may have one value of a parameter."""
    begun = set()
    for item in items:
        grid = item.get_closest_marker("grid")
        if grid is not None and item.function in begun and crc32(item.name.encode()) % grid.args[0]:
            item.add_marker("long")
        begun.add(getattr(item, "function", None))


def pytest_collection_finish():
    """Take thousands of collected tests out of garbage collection, which would go through them again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()
