#!/bin/sh
# The tests of the source distribution against the installed wheel, in an environment of their own outside of the tree.
# Usage: [DIST_PYTHON=python3.12] [DIST_PINS=FILE] sh release/installed_tests.sh DIST TEST...
# DIST_PINS is a constraints file, such as the lowest versions that release/lowest_versions.py prints.
set -eu
python=${DIST_PYTHON:-python3}
dist=$(cd "$1" && pwd)
shift
pins=${DIST_PINS:+--constraint=$(realpath "$DIST_PINS")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/env"
# Wheels only: an installation needs no compiler and no GPU.
"$work/env/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: ${pins:+"$pins"} "$dist"/*.whl
"$work/env/bin/qmis" info
"$work/env/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: ${pins:+"$pins"} \
  pytest pytest-xdist hypothesis mpmath pyarrow
tar -xzf "$dist"/*.tar.gz -C "$work"
cd "$work"/qmis_stats-*
# The sources are taken away: what the tests import is what was installed.
rm -rf qmis_stats kernels
"$work/env/bin/python" -c 'import qmis_stats; assert "site-packages" in qmis_stats.__file__, qmis_stats.__file__'
${DIST_RUN:-} "$work/env/bin/python" -m pytest -q -p no:cacheprovider "$@"
