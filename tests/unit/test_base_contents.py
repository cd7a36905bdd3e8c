"""install-sources.yaml in both of its forms, and whatever else may stand there."""

from __future__ import annotations

import pytest

from isoforge.base_contents import BaseContents, Source, base_contents

ENTRIES = """\
- description: {en: A small one.}
  id: ubuntu-server-minimal
  locale_support: none
  name: {en: Small}
  path: ubuntu-server-minimal.squashfs
  size: 596627456
  type: fsimage
  variant: server
- default: true
  description: {en: A usual one.}
  id: ubuntu-server
  locale_support: locale-only
  name: {en: Usual}
  path: ubuntu-server-minimal.ubuntu-server.squashfs
  size: 1233199104
  type: fsimage-layered
  variant: server
"""
SOURCES = (Source(id="ubuntu-server-minimal"), Source(id="ubuntu-server", is_default=True))


def test_the_list_of_22_04_has_sources_and_no_kernel() -> None:
    contents = base_contents(ENTRIES, kernels=["ga"], size_bytes=5)
    assert contents == BaseContents(sources=SOURCES, kernels=("ga",), size_bytes=5)


def test_the_mapping_of_newer_isos_has_sources_and_their_kernels() -> None:
    kernel = "kernel:\n  default: linux-generic\n  bridge: linux-generic-brg-22.04\n  bridge_reasons: [drivers]\n"
    contents = base_contents(f"version: 2\nsources:\n{ENTRIES}{kernel}")
    assert contents.sources == SOURCES
    assert contents.kernel_packages == ("linux-generic", "linux-generic-brg-22.04")


def test_the_source_that_is_installed_is_the_given_one_the_default_or_the_first() -> None:
    contents = base_contents(ENTRIES)
    assert contents.source("ubuntu-server-minimal") == SOURCES[0]
    assert contents.source() == SOURCES[1]
    assert contents.source("ubuntu-desktop") is None
    assert base_contents(ENTRIES.replace("default: true", "default: false")).source() == SOURCES[0]


@pytest.mark.parametrize(
    "text", ["", "a", "[", "- 1\n- {id: 2}", "sources: 1\nkernel: 2", "kernel: {default: [1]}", "&a [*a]"]
)
def test_an_unusual_list_is_an_empty_one(text: str) -> None:
    contents = base_contents(text)
    assert (contents.sources, contents.kernel_packages, contents.source()) == ((), (), None)
