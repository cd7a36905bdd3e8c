"""A host's values as rules look at them: of the right type, or not there at all.

Wrong types are reported where files are read (`isoforge.fleet.inventory.validate`); a rule that meets one stays silent.
Values that are still encrypted count as written, and their content as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from isoforge.fleet.check.findings import Finding
from isoforge.fleet.inventory.host import Host
from isoforge.problems import Severity
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import Node

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class HostView:
    """The values of one host, and what is found to be wrong with them: paths are the inventory's here."""

    host: Host
    findings: list[Finding] = field(default_factory=list)

    def has(self, *path: str | int) -> bool:
        """Whether anything was written at ``path``."""
        return self.host.node.at(path) is not None

    def text(self, *path: str | int) -> str:
        """The text at ``path``, or ""."""
        return self._of(str, path) or ""

    def true(self, *path: str | int) -> bool:
        """Whether ``true`` was written at ``path``."""
        return self._of(bool, path) or False

    def items(self, *path: str | int) -> list[Node]:
        """The items of the list at ``path``."""
        return self._of(list, path) or []

    def entries(self, *path: str | int) -> dict[str, Node]:
        """The entries of the mapping at ``path``."""
        return self._of(dict, path) or {}

    def texts(self, *path: str | int) -> Iterator[tuple[KeyPath, str]]:
        """Each text at ``path``, which holds one or a list of them, with its own path."""
        if self.text(*path):
            yield path, self.text(*path)
        for number, item in enumerate(self.items(*path)):
            if isinstance(item.value, str):
                yield (*path, number), item.value

    def error(self, id_: str, path: KeyPath, message: str) -> None:
        """What is written at ``path``, or missing there, must not be built."""
        self.findings.append(Finding(id=id_, path=path, message=message, severity=Severity.ERROR))

    def warning(self, id_: str, path: KeyPath, message: str, *, leak: bool = False) -> None:
        """It may be meant, but mostly is not; a ``leak`` is a plain-text secret."""
        self.findings.append(Finding(id=id_, path=path, message=message, severity=Severity.WARNING, leak=leak))

    def _of(self, kind: type[T], path: KeyPath) -> T | None:
        node = self.host.node.at(path)
        return node.value if node is not None and type(node.value) is kind else None
