"""``python -m qmis_stats`` is the command ``qmis``."""

from qmis_stats.cli import main

main()
