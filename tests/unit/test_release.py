"""Releases of Ubuntu: what names one, and which came first."""

from __future__ import annotations

import pytest

from isoforge.release import Release


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("24.04.2", Release(year=24, month=4, point=2)),
        ("26.04", Release(year=26, month=4)),
        ("24.04.4.1", Release(year=24, month=4, point=4, respin=1)),
        ("27.10", Release(year=27, month=10)),
        *((text, None) for text in ("24.05", "24.04 LTS", "noble", "banana", "24", "24.4", "24.04.", "", None)),
    ],
)
def test_a_release_is_read_from_its_number(text: str | None, release: Release | None) -> None:
    assert Release.of(text) == release
    if release is not None:
        assert str(release) == text


def test_releases_are_compared_by_their_series() -> None:
    noble = Release(year=24, month=4, point=2)
    assert noble.before("24.10")
    assert not noble.before("24.04")
    assert not noble.has_newer_installer
    assert Release(year=22, month=4, point=5).has_newer_installer
