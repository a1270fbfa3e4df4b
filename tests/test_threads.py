"""Linear algebra is limited to one thread, that of libraries too that are loaded after the first time."""

import subprocess
import sys

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from qmis_stats.threads import one_thread

LATER = """
import numpy, threadpoolctl
from qmis_stats.threads import one_thread

threads = lambda: {library["filepath"]: library["num_threads"] for library in threadpoolctl.threadpool_info()}
with one_thread():
    first = set(threads())
import scipy.linalg
with one_thread():
    limited = threads()
print(len(limited) > len(first), set(limited.values()))
"""


def blas():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_threads_are_limited_and_given_back():
    np.ones(2) @ np.ones(2)
    with threadpool_limits(2, "blas"):
        before = blas()
        for user_api in (None, "blas"):
            with one_thread(user_api):
                assert set(blas()) == {1}
            assert blas() == before
        with one_thread("openmp"):
            assert blas() == before
    assert before


def test_a_library_that_is_loaded_later_is_limited():
    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=True, env={"OPENBLAS_NUM_THREADS": "2"}
    )
    assert done.stdout.split() == ["True", "{1}"]
