"""Coverage-guided fuzzing of what reads files, in slices whose executions add up.

Usage: python fuzz/run.py TARGET [--runs 1000000] [--seconds 540] [--out fuzz/out]
       python fuzz/run.py --table [--out fuzz/out]

Needs atheris, which is not a dependency of the package. A slice goes on from the corpus of the one before; it appends a
row to OUT/slices.csv and writes every new kind of finding, with its bytes, to OUT/findings/TARGET. Exit status 1 when
there is one.
"""

import argparse
import csv
import hashlib
import re
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT = 5
MEMORY = 500 * 2**20
COLUMNS = ("target", "executions", "seconds", "edges", "features", "corpus", "accepted", "findings")


def child(target: str, out: Path, rest: list[str]) -> None:
    """Fuzz in this process: libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["qmis_stats", "tomllib"]):
        from targets import TARGETS, warm_up

    run = TARGETS[target]
    findings = out / "findings" / target
    findings.mkdir(parents=True, exist_ok=True)
    warm_up()
    for seed in sorted((HERE / "corpus" / target).iterdir()):
        run(seed.read_bytes())  # what is loaded and compiled at first is not counted as taken by an input
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used() + MEMORY, hard))
    accepted = 0

    def one(data: bytes) -> None:
        nonlocal accepted
        try:
            accepted += run(data)
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            mark = f"{type(error).__name__}-{Path(frames[-1].filename).name}-{frames[-1].lineno}"
            file = findings / mark
            if not file.exists():
                file.write_bytes(data)
                file.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
        finally:
            (out / f"{target}.accepted").write_text(str(accepted)) if accepted % 100 == 1 else None

    atheris.Setup([sys.argv[0], *rest], one)
    atheris.Fuzz()


def used() -> int:
    """Bytes of data that the process has mapped."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"VmData:\s+(\d+)", text)[1]) * 1024


def slice_of(target: str, runs: int, seconds: int, out: Path) -> int:
    """Run one slice in a process of its own and report it."""
    corpus = out / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    (out / f"{target}.accepted").write_text("0")
    seeds = HERE / "corpus" / target
    options = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT}",
        "-max_len=400",
        "-rss_limit_mb=3000",
    ]
    options += [
        f"-dict={HERE / 'words.dict'}",
        f"-artifact_prefix={out}/{target}-",
        "-verbosity=1",
        "-print_final_stats=1",
    ]
    command = [sys.executable, __file__, target, "--child", "--out", str(out), *options, str(corpus)]
    command += [str(seeds)] if seeds.is_dir() else []
    start = time.monotonic()
    log = out / f"{target}.log"
    with log.open("w") as stream:
        try:
            subprocess.run(command, stderr=stream, stdout=subprocess.DEVNULL, timeout=seconds + 180, check=False)
        except subprocess.TimeoutExpired:
            (out / f"{target}-stuck").write_text("the process did not end, see the log")
    spent = time.monotonic() - start
    said = log.read_text(errors="replace")
    last = re.findall(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)", said)
    if not last:
        sys.exit(said[-2000:])
    executions = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    found = [file for file in (out / "findings" / target).iterdir() if file.suffix != ".txt"]
    found += list(out.glob(f"{target}-*"))
    row = {
        "target": target,
        "executions": executions[-1] if executions else last[-1][0],
        "seconds": round(spent),
        "edges": last[-1][1],
        "features": last[-1][2],
        "corpus": last[-1][3],
        "accepted": (out / f"{target}.accepted").read_text(),
        "findings": len(found),
    }
    report = out / "slices.csv"
    new = not report.exists()
    with report.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(", ".join(f"{key} {value}" for key, value in row.items()))
    for file in found:
        print(f"  {file} {hashlib.sha256(file.read_bytes()).hexdigest()[:8]} {file.read_bytes()[:60]!r}")
    return 1 if found else 0


def table_of(out: Path) -> str:
    """Executions and seconds summed over the slices of each target, with what the last of them saw."""
    with (out / "slices.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [
        "| target | executions | seconds | slices | edges | inputs kept | findings |",
        "|---|---|---|---|---|---|---|",
    ]
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        total = [sum(int(row[key]) for row in own) for key in ("executions", "seconds")]
        last = [own[-1][key] for key in ("edges", "corpus", "findings")]
        lines.append("| " + " | ".join([f"`{target}`", *map(str, total), str(len(own)), *last]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--table", action="store_true", help="print what the slices in OUT add up to")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=540)
    parser.add_argument("--out", type=Path, default=HERE / "out")
    parser.add_argument("--child", action="store_true")
    options, rest = parser.parse_known_args()
    if options.table:
        print(table_of(options.out))
    elif options.child:
        child(options.target, options.out, rest)
    else:
        sys.exit(slice_of(options.target, options.runs, options.seconds, options.out.resolve()))


if __name__ == "__main__":
    main()
