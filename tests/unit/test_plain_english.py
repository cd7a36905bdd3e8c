"""What people read is plain English: messages, help, pages and files of the product use none of these phrases."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REFUSED = {
    r"(cannot|could) be meant": "invalid value …",
    r"[Ll]eft out:": "default: …",
    r"(?<!there )\bis no (text|name|number|plain|public|file|ISO|UTF|YAML|path|address|size|mapping|key)\b": "…",
    r"[Tt]ells? (the whole|every|a user|how)\b": "reports, prints, shows",
    r"\b(told|it) said\b|\bsaid (nothing|it)\b": "printed",
    r"\bin clear\b": "in plain text",
    r"[Nn]obody (holds|put|has asked)\b": "…",
    r"to the bit\b|\bbit for bit\b": "byte-identical",
    r"as it lies\b": "unchanged",
    r"\b(is|are) there already\b": "already exists",
    r"\b(is|are) not there\b": "does not exist, is missing",
    r"\bworked out\b": "computed",
    r"\b[Ww]ho may\b (press|read|act)": "…",
    r"\b[Ww]hoever\b": "anyone who",
    r"\bdid not move\b": "made no progress",
    r"\bgave (\{|[0-9]+:)": "exited with status",
    r"\b[Tt]ake (warnings|secrets)\b": "treat … as errors",
    r"\bcontradict each other\b": "cannot be combined",
    r"\bstands? (beside|there|before)\b": "is next to",
    r"\bfar (side|end|shell)\b": "remote machine",
    r"\bfor ever\b": "forever",
    r"\bmade from the code\b": "generated from the code",
    r"\bis in the past\b": "must be 0 or greater",
    r"\bfor want of\b": "without",
    r"\bof its own accord\b": "automatically",
    r"\bthat is none\b|\bif it is none\b": "invalid",
    r"\bmemo\b": "summary",
    r"\bcure\b": "fix",
}
"""Phrases, and what to write instead."""

SOURCES = sorted((ROOT / "isoforge").rglob("*.py"))
DATA = sorted((ROOT / "isoforge").rglob("*.yaml"))
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""Not the changelog: it names keys and messages of old versions."""


def phrases_in(text: str) -> list[str]:
    """Each refused phrase in ``text``, with what to write instead."""
    words = " ".join(text.split())
    return [
        f"{match[0]!r}: write {better!r}" for phrase, better in REFUSED.items() if (match := re.search(phrase, words))
    ]


def texts_of(source: Path) -> Iterator[str]:
    """Every text in the module ``source``: literals, docstrings, and f-strings with {} for the values in them."""
    tree = ast.parse(source.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_texts_of_the_code_are_plain_english(source: Path) -> None:
    assert [found for text in texts_of(source) for found in phrases_in(text)] == []


@pytest.mark.parametrize("path", [*DATA, *TEMPLATES, *PAGES], ids=name_of)
def test_files_that_people_read_are_plain_english(path: Path) -> None:
    assert phrases_in(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    ["--format foo cannot be meant", "x is no file", "xorriso gave 5: it said nothing", "/x is\n    there already"],
)
def test_dialect_is_found_also_across_lines(text: str) -> None:
    assert phrases_in(text) != []
