"""Every public name of a package can be imported: names are looked up when they are asked for."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import qmis_stats

PACKAGES = ["qmis_stats", *(m.name for m in pkgutil.walk_packages(qmis_stats.__path__, "qmis_stats.") if m.ispkg)]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_there(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


WHAT_NAMES_ARE = """
import importlib, pkgutil, types
import qmis_stats
found = list(pkgutil.walk_packages(qmis_stats.__path__, "qmis_stats."))
for module in found:
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for package in (importlib.import_module(module.name) for module in found if module.ispkg):
    for name in getattr(package, "__all__", ()):
        value = getattr(package, name)
        if isinstance(value, types.ModuleType) and hasattr(value, name):
            print(f"{package.__name__}.{name}")
"""


def test_no_submodule_takes_the_place_of_a_name():
    """An import of a submodule is kept under its name in the package, whatever else has this name there."""
    done = subprocess.run([sys.executable, "-c", WHAT_NAMES_ARE], capture_output=True, text=True, check=True)
    assert done.stdout == ""
