"""The dates of a build: they follow from its inputs, so that the same inputs give the same bytes."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from isoforge.errors import BaseIsoError, UsageError
from isoforge.image.base import BaseIso
from isoforge.proof.manifest import Manifest


def source_date_epoch(rebuild_of: Manifest | None) -> int | None:
    """SOURCE_DATE_EPOCH in seconds since 1970, or that of the build to reproduce; None if it is not set."""
    if rebuild_of is not None:
        return rebuild_of.source_date_epoch
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        return int(text) if text else None
    except ValueError as failure:
        raise UsageError(f"SOURCE_DATE_EPOCH must be a number of seconds since 1970, got {text!r}") from failure


def build_time(base: BaseIso, epoch: int | None) -> datetime:
    """The time of new files: ``epoch`` in seconds since 1970, or the date of the base's file system without it."""
    try:
        if epoch is not None:
            return datetime.fromtimestamp(epoch, UTC)
        return datetime.strptime(base.modified[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as failure:
        if epoch is not None:
            raise UsageError(f"SOURCE_DATE_EPOCH {epoch} is out of range") from failure
        raise BaseIsoError(f"{base.path}: invalid date of its file system: {base.modified!r}") from failure
