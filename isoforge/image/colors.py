"""The colours of the menu: sets in which every line can be read on any screen, the serial console's included."""

from __future__ import annotations

import enum


class MenuColors(enum.StrEnum):
    """A set of colours: ``normal`` and ``highlight`` are GRUB's names of foreground and background."""

    DEFAULT = "default"
    BLUE = "blue"
    GREEN = "green"
    AMBER = "amber"
    LIGHT = "light"

    @property
    def normal(self) -> str:
        """The colours of a line."""
        return _COLORS[self][0]

    @property
    def highlight(self) -> str:
        """The colours of the line that Enter starts."""
        return _COLORS[self][1]


_COLORS = {
    MenuColors.DEFAULT: ("white/black", "black/light-gray"),
    MenuColors.BLUE: ("white/blue", "blue/light-gray"),
    MenuColors.GREEN: ("light-green/black", "black/green"),
    MenuColors.AMBER: ("yellow/black", "black/brown"),
    MenuColors.LIGHT: ("black/light-gray", "light-gray/black"),
}
