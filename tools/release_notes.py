"""Print what the changelog says of a tag's version, if this is the version to be released.

``python tools/release_notes.py v0.1.0`` fails where pyproject.toml, CITATION.cff or the changelog
say something else.
"""

import re
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent


def notes_of(tag: str) -> str:
    """Return the changelog's section of a tag's version."""
    version = tag.removeprefix("v")
    project = tomllib.loads(_text_of("pyproject.toml"))["project"]
    if project["version"] != version:
        sys.exit(f"The tag is {tag}, but pyproject.toml has the version {project['version']}.")
    if not re.search(rf"^version: {re.escape(version)}$", _text_of("CITATION.cff"), re.MULTILINE):
        sys.exit(f"The tag is {tag}, but CITATION.cff has another version.")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$(.*?)(?=^## |\Z)"
    found = re.search(heading, _text_of("CHANGELOG.md"), re.MULTILINE | re.DOTALL)
    if found is None:
        sys.exit(f'CHANGELOG.md has no heading "## [{version}] - YYYY-MM-DD".')
    return found[1].strip()


def _text_of(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(notes_of(sys.argv[1]) + "\n")
