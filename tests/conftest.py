"""One compiled thread a test process: the workers of a parallel run share the cores."""

import pytest

import qmis_kernels


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = qmis_kernels.threads()
    qmis_kernels.set_threads(1)
    yield
    qmis_kernels.set_threads(before)
