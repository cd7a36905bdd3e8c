"""install-sources.yaml in both of its forms, and whatever else may stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.base_contents import BaseContents, Source, base_contents

DATA = Path(__file__).parent / "install-sources"
ENTRIES, MAPPING = ((DATA / name).read_text() for name in ("22.04-server.yaml", "mapping.yaml"))
SOURCES = (Source(id="ubuntu-server-minimal"), Source(id="ubuntu-server", is_default=True))


def test_the_list_of_22_04_has_sources_and_no_kernel() -> None:
    contents = base_contents(ENTRIES, kernels=["ga"], size_bytes=5)
    assert contents == BaseContents(sources=SOURCES, kernels=("ga",), size_bytes=5)


def test_the_mapping_of_newer_isos_has_sources_and_their_kernels() -> None:
    contents = base_contents(MAPPING)
    assert contents.sources == SOURCES
    assert contents.kernel_packages == ("linux-generic", "linux-generic-brg-22.04")


def test_the_source_that_is_installed_is_the_given_one_the_default_or_the_first() -> None:
    contents = base_contents(ENTRIES)
    assert contents.source("ubuntu-server-minimal") == SOURCES[0]
    assert contents.source() == SOURCES[1]
    assert contents.source("ubuntu-desktop") is None
    assert base_contents(ENTRIES.replace("default: true", "default: false")).source() == SOURCES[0]


def test_a_source_has_tpm_support_if_snapd_has_a_system_for_it() -> None:
    variation = "  variations:\n    enhanced: {path: a, size: 1, snapd_system_label: enhanced}\n"
    first = base_contents(f"- id: a\n{variation}- id: b\n  variations: {{plain: {{path: a, size: 1}}}}\n- id: c\n")
    assert [source.has_tpm for source in first.sources] == [True, False, False]


@pytest.mark.parametrize(
    "text", ["", "a", "[", "- 1\n- {id: 2}", "sources: 1\nkernel: 2", "kernel: {default: [1]}", "&a [*a]"]
)
def test_an_unusual_list_is_an_empty_one(text: str) -> None:
    contents = base_contents(text)
    assert (contents.sources, contents.kernel_packages, contents.source()) == ((), (), None)
