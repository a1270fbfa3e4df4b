"""Run the batteries of TestU01 on our streams and on the controls; write one line a test to standard output.

Usage: python run.py BATTERY > results.csv, with BATTERY the program made from battery.c; about 20 minutes on one core.
"""

import csv
import subprocess
import sys
from pathlib import Path

from words import HALVES, STREAMS

ALPHABIT = ("alphabit", str(2**30))
RABBIT = ("rabbit", str(2**28))
SMALL_CRUSH = ("smallcrush",)
RUNS = [
    *((name, half, SMALL_CRUSH) for name in STREAMS for half in HALVES),
    *((name, half, ALPHABIT) for name in STREAMS for half in HALVES),
    # The slowest of the three, on the pattern that is used most and on those that mix all parts of an address.
    *((name, half, RABBIT) for name, half in (("replicates", "high"), ("mixed", "high"), ("normals", "low"))),
    # Controls; a wrong scale shows in the upper bits only.
    ("two_rounds", "high", SMALL_CRUSH),
    ("two_rounds", "low", SMALL_CRUSH),
    ("scaled_normals", "high", SMALL_CRUSH),
]


def p_values(program: str, stream: str, half: str, battery: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return names and p-values of one battery fed by one stream."""
    source = [sys.executable, str(Path(__file__).with_name("words.py")), stream, half]
    with subprocess.Popen(source, stdout=subprocess.PIPE) as producer:
        done = subprocess.run([program, *battery], stdin=producer.stdout, capture_output=True, text=True, check=True)
        producer.stdout.close()
    rows = [tuple(line.rsplit("\t", 1)) for line in done.stdout.splitlines()]
    if not rows:
        raise RuntimeError(f"{battery[0]} of {stream} {half} reported nothing")
    return rows


def main() -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("stream", "half", "battery", "test", "p"))
    for stream, half, battery in RUNS:
        for test, p in p_values(sys.argv[1], stream, half, battery):
            writer.writerow((stream, half, battery[0], test, p))
        sys.stdout.flush()
        print(f"{battery[0]}: {stream} {half}", file=sys.stderr)


if __name__ == "__main__":
    main()
