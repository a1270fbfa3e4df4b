"""What the wheel and the source distribution in a folder hold: nothing missing, nothing that has no place there.

Usage: python release/check_files.py dist
"""

import sys
import tarfile
import zipfile
from pathlib import Path

IN_WHEEL = (
    "qmis_stats/py.typed",
    "qmis_kernels/py.typed",
    "qmis_stats/cli.py",
    "qmis_stats/reporting/base.html.j2",
    "qmis_stats/verify/report.html.j2",
    "qmis_stats/audit/report.html.j2",
)
IN_SOURCE = (
    "Makefile",
    "constraints.txt",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/index.md",
    "benchmarks/run.py",
    "fuzz/targets.py",
    "mutants/run.py",
    "tests/test_docs.py",
    "release/check_files.py",
)
LARGEST = {"wheel": 1_500_000, "source": 4_000_000}
FOREIGN = ("shared/", ".venv", "__pycache__", ".ipynb", "fuzz/out", "mutants/out", "docs/_build", ".hypothesis", ".ci/")


def problems(kind: str, names: list[str], size: int) -> list[str]:
    """Return what is wrong with the list of files."""
    wanted = IN_WHEEL if kind == "wheel" else IN_SOURCE
    found = [f"{kind}: {name} is missing" for name in wanted if name not in names]
    found += [f"{kind}: {name} has no place here" for name in names if any(part in name for part in FOREIGN)]
    if kind == "wheel":
        found += [] if any(name.endswith(".cu") for name in names) else ["wheel: no CUDA sources"]
        found += [
            f"wheel: {n} has no place here" for n in names if n.endswith((".so", ".pyd")) or n.startswith("tests")
        ]
    if size > LARGEST[kind]:
        found.append(f"{kind}: {size} bytes, more than {LARGEST[kind]}")
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    wheels, sources = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sources) != 1:
        sys.exit(f"{folder} must hold one wheel and one source distribution")
    with zipfile.ZipFile(wheels[0]) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sources[0]) as archive:
        in_source = [name.partition("/")[2] for name in archive.getnames()]
    found = problems("wheel", in_wheel, wheels[0].stat().st_size)
    found += problems("source", in_source, sources[0].stat().st_size)
    if not wheels[0].name.endswith("-py3-none-any.whl"):
        found.append(f"{wheels[0].name} is bound to a platform")
    print(f"{wheels[0].name}: {len(in_wheel)} files, {wheels[0].stat().st_size} bytes")
    print(f"{sources[0].name}: {len(in_source)} files, {sources[0].stat().st_size} bytes")
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
