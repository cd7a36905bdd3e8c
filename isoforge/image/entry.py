"""An entry of the GRUB menu, quoted so that GRUB passes its words on unchanged."""

from __future__ import annotations

from dataclasses import dataclass

from isoforge.image.base import Kernel
from isoforge.image.match import Match
from isoforge.iso_layout import CDROM, SEEDS_FOLDER, TITLE_LIMIT, entry_id
from isoforge.templates import grub_word, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One host's entry: ``host`` names its seed, ``description`` is for people, ``args`` go before the ``---``.

    ``group`` is the host's own, "" without one. ``medium`` is the casper UUID of the ISO; without one casper uses the
    one in the initrd. ``match`` identifies the host's machine. ``fixed_title`` is the title of an entry that does not
    belong to a host. ``kept`` are the words of the base's own entry after the ``---``: the installed system gets them.
    ``variables`` are those of GRUB that the base's own entry has before it: empty on all machines but a few.
    ``serial_console`` is the machine's serial port, as in ``ttyS1,115200``: the kernel's last ``console=`` names it.
    """

    host: str
    description: str
    kernel: Kernel
    group: str = ""
    args: tuple[str, ...] = ()
    medium: str = ""
    match: Match | None = None
    fixed_title: str = ""
    kept: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    serial_console: str = ""

    @property
    def title(self) -> str:
        """The title in the menu: one line of limited length for any description."""
        about = one_line(self.description)
        title = one_line(self.fixed_title) or f"Install {self.host}" + (f" - {about}" if about else "")
        return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 3] + "..."

    @property
    def entry_id(self) -> str:
        """The id that ``set default`` refers to."""
        return entry_id(self.host)

    @property
    def kernel_line(self) -> str:
        """The kernel's arguments as in /proc/cmdline: the installer's part up to the ``---``, and the words `kept`.

        ``autoinstall`` skips the confirmation, ``ds=`` names the seed (with the trailing slash that cloud-init before
        23.1 needs), ``nopersistent`` keeps the stick unchanged, ``fsck.mode=skip`` skips reading the whole medium,
        ``uuid=`` names the one medium that casper may mount. What `variables` add on some machines is not in it.
        """
        return " ".join([*self._words, "---", *self.words_behind])

    @property
    def words_behind(self) -> tuple[str, ...]:
        """The words after the ``---``: for the installed system too, as the installer copies them (curtin,
        commands/install_grub.py, get_carryover_params). The last console is the one that the system talks to."""
        if not self.serial_console:
            return self.kept
        screen = () if "console=tty0" in self.kept else ("console=tty0",)
        return (*self.kept, *screen, f"console={self.serial_console}")

    @property
    def _words(self) -> tuple[str, ...]:
        seed = f"ds=nocloud;s={CDROM}{SEEDS_FOLDER}/{self.host}/"
        medium = (f"uuid={self.medium}",) if self.medium else ()
        return ("autoinstall", seed, "nopersistent", "fsck.mode=skip", *medium, *self.args)

    @property
    def grub_line(self) -> str:
        """The same arguments without the ``---``, quoted so that GRUB passes them on unchanged."""
        return " ".join(grub_word(word) for word in self._words)
