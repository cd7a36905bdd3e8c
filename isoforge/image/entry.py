"""An entry of the GRUB menu, and how its words are written so that GRUB hands them on unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from isoforge.image.base import Kernel
from isoforge.image.match import Match
from isoforge.iso_layout import CDROM, SEEDS_FOLDER, TITLE_LIMIT, entry_id
from isoforge.templates import grub_word, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One host's entry: ``host`` names its seed, ``description`` is for people, ``args`` go before the ``---``.

    ``group`` is the host's own, "" without one. ``medium`` is the casper UUID of the ISO; without one casper takes what
    the initrd was made with. ``match`` is how the menu knows the host's machine. ``called`` is the title of an entry
    that is no host's.
    """

    host: str
    description: str
    kernel: Kernel
    group: str = ""
    args: tuple[str, ...] = ()
    medium: str = ""
    match: Match | None = None
    called: str = ""

    @property
    def title(self) -> str:
        """What the menu shows: one line of bearable length, whatever the inventory holds."""
        about = one_line(self.description)
        title = self.called or f"Install {self.host}" + (f" - {about}" if about else "")
        return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 3] + "..."

    @property
    def entry_id(self) -> str:
        """What ``set default`` names."""
        return entry_id(self.host)

    @property
    def kernel_line(self) -> str:
        """The kernel's arguments as /proc/cmdline is to show them, the ``---`` that ends the installer's part last.

        ``autoinstall`` skips the confirmation, ``ds=`` names the seed (with the trailing slash that cloud-init before
        23.1 needs), ``nopersistent`` keeps the stick as it is, ``fsck.mode=skip`` spares reading the whole medium,
        ``uuid=`` names the one medium that casper may take.
        """
        return " ".join([*self._words, "---"])

    @property
    def _words(self) -> tuple[str, ...]:
        seed = f"ds=nocloud;s={CDROM}{SEEDS_FOLDER}/{self.host}/"
        medium = (f"uuid={self.medium}",) if self.medium else ()
        return ("autoinstall", seed, "nopersistent", "fsck.mode=skip", *medium, *self.args)

    @property
    def grub_line(self) -> str:
        """The same arguments without the ``---``, written so that GRUB hands them on unchanged."""
        return " ".join(grub_word(word) for word in self._words)
