"""The menu's entries: what a host's values and the base ISO make of each."""

from __future__ import annotations

from collections import Counter

from isoforge.fleet import smbios
from isoforge.fleet.inventory.host import Host, MatchKeys
from isoforge.image.base import BaseIso
from isoforge.image.entry import MenuEntry
from isoforge.image.match import Match
from isoforge.iso_layout import DETECT, MATCH_KEY_LIMIT


def entry_of(host: Host, base: BaseIso) -> MenuEntry:
    """The menu's entry of ``host``."""
    kernel = base.kernel(host.kernel)
    return MenuEntry(
        host=host.name,
        description=host.description,
        kernel=kernel,
        kept=(*base.kept_words(kernel), *host.target_kernel_args),
        variables=base.variables(kernel),
        fixed_title=host.menu_title,
        serial_console=host.serial_console,
        group=host.group,
        args=host.kernel_args,
        match=match_of(host.match),
    )


def match_of(keys: MatchKeys) -> Match | None:
    """How the menu recognises the machine with these match keys; None if SMBIOS cannot identify it.

    GRUB cannot read MAC addresses. Together with a value that only one machine has they add nothing; together with a
    product name, or alone, they are what distinguishes machines, and only "Detect this machine" can read them.
    """
    texts = {
        "serial": (smbios.normalised(keys.serial),),
        "uuid": smbios.both_orders(keys.uuid),
        "product": (smbios.normalised(keys.product),),
        "asset_tag": (smbios.normalised(keys.asset_tag),),
        "baseboard_serial": (smbios.normalised(keys.baseboard_serial),),
    }
    keys_set = tuple((name, values) for name, values in texts.items() if values[0])
    if not keys_set or any(smbios.is_placeholder(text) or len(text) > MATCH_KEY_LIMIT for _, (text, *_) in keys_set):
        return None
    return Match(texts=keys_set, decides=not keys.mac or any(name != "product" for name, _ in keys_set))


def detect_entry(base: BaseIso, entries: tuple[MenuEntry, ...]) -> MenuEntry:
    """The entry that detects on the machine which host it is; its kernel is the one that most hosts use."""
    kernels = Counter(entry.kernel.flavour for entry in entries)
    kernel = base.kernel(kernels.most_common(1)[0][0])
    return MenuEntry(
        host=DETECT,
        description="",
        fixed_title="Detect this machine and install its host",
        kernel=kernel,
        kept=base.kept_words(kernel),
        variables=base.variables(kernel),
    )
