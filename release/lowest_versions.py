"""Print the lower bound of every dependency and extra as a constraints file.

Usage: python release/lowest_versions.py [EXTRA...] > lowest.txt
"""

import re
import sys
import tomllib
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(\[[^]]*\])?>=(?P<version>[^;, ]+)")


def lowest(project: dict, extras: list[str]) -> list[str]:
    """Return the pins of the dependencies and of some extras."""
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    found = [REQUIREMENT.match(requirement) for requirement in requirements]
    return [f"{match['name']}=={match['version']}" for match in found if match]


if __name__ == "__main__":
    file = Path(__file__).resolve().parent.parent / "pyproject.toml"
    print("\n".join(lowest(tomllib.loads(file.read_text())["project"], sys.argv[1:])))
