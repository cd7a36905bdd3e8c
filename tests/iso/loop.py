"""Loop devices: files that the kernel shows as disks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sh


def has_loop_devices() -> bool:
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


needs_loop_devices = pytest.mark.skipif(not has_loop_devices(), reason="only root can make loop devices")


@contextlib.contextmanager
def loop_device(file: Path, *options: str) -> Iterator[Path]:
    """The loop device that shows ``file`` while the block runs."""
    losetup: Any = sh.Command("losetup", ["/usr/sbin", "/sbin"])
    device = Path(str(losetup("--find", "--show", *options, file)).strip())
    try:
        yield device
    finally:
        losetup("--detach", device)
