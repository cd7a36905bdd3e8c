"""Releases of Ubuntu: what names one, and which came first."""

from __future__ import annotations

from itertools import pairwise

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


def test_point_releases_are_compared_by_their_numbers() -> None:
    order = [Release.of(text) for text in ("22.04.5", "24.04", "24.04.2", "24.04.4", "24.04.4.1", "24.04.5", "24.10")]
    for earlier, later in pairwise(order):
        assert earlier is not None
        assert later is not None
        assert earlier.older_than(later)
        assert not later.older_than(earlier)
