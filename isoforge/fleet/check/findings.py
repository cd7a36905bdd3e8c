"""What the rules find in one document, each with its id and the path of the value; where that is, others know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isoforge.base_contents import BaseContents
from isoforge.problems import Severity
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_reader import Document

if TYPE_CHECKING:
    from isoforge.fleet.check.plan.machine_disks import MachineDisk


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake at ``path`` of a document. ``line`` is set where the path does not tell it: for the text itself."""

    id: str
    path: KeyPath
    message: str
    severity: Severity
    line: int | None = None
    leak: bool = False


class Findings:
    """Collects what rules find in ``document``: a rule names the kind, the path of the value and what is wrong.

    ``release`` is the base ISO's, ``base`` what it contains, ``firmware`` the host's (``uefi``, ``bios``), and
    ``disks`` are those of its machine, as far as they are known.
    """

    def __init__(
        self,
        document: Document,
        *,
        release: Release | None = None,
        firmware: str | None = None,
        base: BaseContents | None = None,
        disks: Sequence[MachineDisk] = (),
    ) -> None:
        self.document = document
        self.release = release
        self.firmware = firmware
        self.base = base
        self.disks = disks
        self.all: dict[Finding, None] = {}

    def error(self, id_: str, path: KeyPath, message: str, *, line: int | None = None) -> None:
        """The build must not go on: the installation would fail, or do what was not meant."""
        self.add(Finding(id=id_, path=path, message=message, severity=Severity.ERROR, line=line))

    def warning(self, id_: str, path: KeyPath, message: str, *, line: int | None = None, leak: bool = False) -> None:
        """It may be meant, but mostly is not; a ``leak`` is a plain-text secret."""
        self.add(Finding(id=id_, path=path, message=message, severity=Severity.WARNING, line=line, leak=leak))

    def add(self, finding: Finding) -> None:
        """Keep ``finding``; the same one twice counts once."""
        self.all.setdefault(finding)

    def add_faults(self) -> None:
        """Keep what is wrong with the document's text itself."""
        for fault in self.document.faults:
            self.error(fault.id, fault.path, fault.message, line=fault.line)

    def has_fault(self, path: KeyPath) -> bool:
        """Whether the text of the value at ``path`` is wrong already: a rule about its content would say it twice."""
        return any(fault.path == path for fault in self.document.faults)


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a mapping, else an empty one: the schema reports the wrong type."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> Sequence[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: Any) -> str:
    """``value`` if it is text, else empty text."""
    return value if isinstance(value, str) else ""
