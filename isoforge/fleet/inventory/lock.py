"""The lock on an inventory that is being changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from isoforge.atomic import locked
from isoforge.errors import OutputError


@contextlib.contextmanager
def inventory_lock(baremetal: Path) -> Iterator[None]:
    """Hold the lock on the inventory in the block: another process that adds hosts would overwrite their lines."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, OutputError):  # no inventory, as `survey` reports, or no locks
            stack.enter_context(locked(baremetal, wait=True))
        yield
