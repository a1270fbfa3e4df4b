"""Where ``qmis`` and ``python -m qmis_stats`` start: Ctrl-C shows no traceback, also while the commands are loaded."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Load the commands and run the one that is asked for."""
    try:
        from qmis_stats.cli import main as command
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
