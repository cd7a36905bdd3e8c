"""Which hosts of the inventory are selected."""

from __future__ import annotations

from dataclasses import dataclass

from isoforge.errors import UsageError
from isoforge.iso_layout import HOST_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which hosts of the inventory are selected.

    ``hosts`` come in this order (that of the menu), after them those of ``groups``, then with ``all_hosts`` the rest of
    the inventory. An empty selection names no host.
    """

    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    all_hosts: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether neither a host nor a group is named, and not all of them."""
        return not (self.hosts or self.groups or self.all_hosts)


EVERY_HOST = Selection(all_hosts=True)
"""All hosts of the inventory."""


def refuse_selection(selection: Selection) -> None:
    """Raise ``UsageError`` if ``selection`` is empty, or names a host twice or in a way that no host is named."""
    if selection.is_empty:
        raise UsageError("no host selected", hint="use --host, --group or --all; `isoforge hosts` lists the hosts")
    for name in selection.hosts:
        if not HOST_NAME.fullmatch(name):
            raise UsageError(f"invalid host name {name!r}", hint="use letters, digits, '.', '_' and '-'")
        if selection.hosts.count(name) > 1:
            raise UsageError(f"host {name} is selected twice", hint="name each host once: it has one menu entry")
