"""A host's values as rules look at them: of the right kind, or not there at all.

Wrong kinds are reported where files are read (`isoforge.fleet.inventory.validate`); a rule that meets one stays silent.
Values that are still encrypted count as written, and their content as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from isoforge.fleet.inventory.host import Host
from isoforge.problems import Problem, Severity
from isoforge.yaml_tree import Node, Path_, dotted

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The values of one host."""

    host: Host

    def has(self, *path: str | int) -> bool:
        """Whether anything was written at ``path``."""
        return self.host.node.at(path) is not None

    def text(self, *path: str | int) -> str:
        """The text at ``path``, or ""."""
        return self._of(str, path) or ""

    def true(self, *path: str | int) -> bool:
        """Whether ``true`` was written at ``path``."""
        return self._of(bool, path) or False

    def number(self, *path: str | int) -> int | None:
        """The whole number at ``path``, or None."""
        return self._of(int, path)

    def items(self, *path: str | int) -> list[Node]:
        """The items of the list at ``path``."""
        return self._of(list, path) or []

    def entries(self, *path: str | int) -> dict[str, Node]:
        """The entries of the mapping at ``path``."""
        return self._of(dict, path) or {}

    def texts(self, *path: str | int) -> Iterator[tuple[Path_, str]]:
        """Each text at ``path``, which holds one or a list of them, with its own path."""
        if self.text(*path):
            yield path, self.text(*path)
        for number, item in enumerate(self.items(*path)):
            if isinstance(item.value, str):
                yield (*path, number), item.value

    def error(self, path: Path_, text: str) -> Problem:
        """A problem with what stands at ``path``, or is missing there."""
        return self._problem(path, text, Severity.ERROR)

    def warning(self, path: Path_, text: str, *, leak: bool = False) -> Problem:
        """Something at ``path`` that is mostly not meant; a ``leak`` is a secret in clear."""
        return self._problem(path, text, Severity.WARNING, leak=leak)

    def _of(self, kind: type[T], path: Path_) -> T | None:
        node = self.host.node.at(path)
        return node.value if node is not None and type(node.value) is kind else None

    def _problem(self, path: Path_, text: str, severity: Severity, *, leak: bool = False) -> Problem:
        where = self.host.where(path)
        address = f"hosts.{self.host.name}.{dotted(path)}"
        line = where.line or None
        return Problem(file=where.file, line=line, address=address, text=text, severity=severity, leak=leak)
