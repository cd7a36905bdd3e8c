"""The command of older guides, `python3 scripts/iso_manager.py multi …`: sets up isoforge, then runs it."""

import os
import sys
from pathlib import Path

root = os.fspath(Path(__file__).resolve().parent.parent)
story = 'make -s -C "$0" setup >&2 && exec "$0/.venv/bin/python" -m isoforge "$@"'
os.execvp("sh", ["sh", "-c", story, root, *sys.argv[1:]])  # noqa: S606, S607 - the shell of this machine, on purpose
