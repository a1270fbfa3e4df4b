"""Every public name of a package can be imported: names are looked up when they are asked for."""

import importlib
import pkgutil

import pytest

import qmis_stats

PACKAGES = ["qmis_stats", *(m.name for m in pkgutil.walk_packages(qmis_stats.__path__, "qmis_stats.") if m.ispkg)]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_there(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None
