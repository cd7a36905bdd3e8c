"""Where things are: the inventory, the rendered seeds, the templates and the output of a build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoforge.templates import shipped_templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folders that isoforge works in.

    ``baremetal`` holds the inventory and takes the output; ``output_folder`` is where the files of a build go, if not
    to ``generated/_multi/<name>``.
    """

    baremetal: Path
    output_folder: Path | None = None

    @property
    def generated(self) -> Path:
        """The folder of rendered seeds and of ISOs."""
        return self.baremetal / "autoinstall" / "generated"

    @property
    def report_key(self) -> Path:
        """The fleet's key, from which each build makes the token that its hosts report with."""
        return self.baremetal / "inventory-local" / "report.key"

    @property
    def templates(self) -> tuple[Path, ...]:
        """The folders of templates: the user's own first, of which one of the same name wins, then the shipped ones."""
        return (self.baremetal / "templates", shipped_templates())

    def output_iso(self, name: str) -> Path:
        """The path of the ISO that a build called ``name`` writes."""
        return (self.output_folder or self.generated / "_multi" / name) / f"ubuntu-autoinstall-{name}.iso"
