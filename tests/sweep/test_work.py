"""What a worker does beside computing: it keeps the memory of one block for the next."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

ARRAYS, BYTES = 200, 2**20
SCRIPT = f"""
import resource
import numpy as np
from qmis_stats.sweep.work import compute
from qmis_stats.sweep.versions import versions

KEEP = {{keep}}
if KEEP:
    compute([], "numba", versions())
np.ones({BYTES}, dtype=np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ARRAYS}):
    np.ones({BYTES}, dtype=np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.long
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is undone is a setting of glibc")
def test_memory_that_dask_would_give_back_is_kept():
    """Counted in page faults: each array that is given back is taken again page by page."""
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    faults = []
    for keep in (False, True):
        script = SCRIPT.format(keep=keep)
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
        faults.append(int(done.stdout))
    given_back, kept = faults
    assert given_back >= ARRAYS  # without this the test would show nothing
    assert kept <= ARRAYS // 10
