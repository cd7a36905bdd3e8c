"""A manifest that somebody edited or cut off is refused, and the words say in what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from isoforge.proof.manifest import Manifest
from tests.unit.proof.boot.test_expectations import MANIFEST

WHOLE = MANIFEST.to_json()

EDITS: dict[str, Callable[[Any], object]] = {
    "timeout_s is of the wrong type": lambda told: told.update(timeout_s="30"),
    "detect is of the wrong type": lambda told: told.update(detect=1),
    "name is of the wrong type": lambda told: told["hosts"][0].update(name=7),
    "kernel_line is of the wrong type": lambda told: told["hosts"][0].update(kernel_line=None),
    "submenu is of the wrong type": lambda told: told["hosts"][0].update(submenu="Site A"),
    "hosts is of the wrong type": lambda told: told.update(hosts=None),
    "base_iso is of the wrong type": lambda told: told.update(base_iso=None),
    "hosts has no title": lambda told: told["hosts"][0].pop("title"),
    "the manifest has no name": lambda told: told.pop("name"),
    "the manifest has the unknown key 'nam'": lambda told: told.update(nam=1),
    "not a manifest of schema version 1": lambda told: told.update(schema_version=2),
}


def test_what_is_written_is_read() -> None:
    assert Manifest.from_json(WHOLE) == MANIFEST


@pytest.mark.parametrize("words", EDITS)
def test_edited_manifest_is_refused_by_the_key_that_is_wrong(words: str) -> None:
    told = json.loads(WHOLE)
    EDITS[words](told)
    with pytest.raises(ValueError, match=words):
        Manifest.from_json(json.dumps(told))


@pytest.mark.parametrize("text", ["", WHOLE[:200], "[" * 100_000])
def test_what_is_cut_off_or_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not (valid JSON, or truncated: line \d+|a manifest)"):
        Manifest.from_json(text)
