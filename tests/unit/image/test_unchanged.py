"""A base ISO that changes during a build explains whatever went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.errors import BaseIsoError, OutputError
from isoforge.image.unchanged import unchanged


@pytest.mark.parametrize(
    "change", [lambda file: file.write_bytes(b"b" * 4), lambda file: file.write_bytes(b"bas"), Path.unlink]
)
def test_a_base_that_changed_explains_whatever_went_wrong(tmp_path: Path, change: object) -> None:
    base = tmp_path / "base.iso"
    base.write_bytes(b"base")
    with pytest.raises(BaseIsoError, match="changed while it was read"), unchanged(base):  # noqa: PT012
        change(base)  # type: ignore[operator]
        raise OutputError("whatever followed from it")


def test_a_base_that_stayed_as_it_was_explains_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no room"), unchanged(tmp_path / "base.iso"):
        raise OutputError("no room")
