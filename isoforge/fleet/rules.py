"""What one host's values must mean together, beyond the kind of each."""

from __future__ import annotations

from collections.abc import Iterator

from isoforge.fleet.host import Host
from isoforge.fleet.problems import Problem


def check_host(host: Host) -> Iterator[Problem]:
    """What is wrong with the host's values."""
    return iter(())


def check_release(host: Host, release: str | None) -> Iterator[Problem]:
    """What the installer of ``release`` cannot do; nothing if it is None."""
    return iter(())
