"""The files of an inventory, each read once: hosts, group_vars, host_vars, hardware profiles, encrypted secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.fleet.inventory.validate import check_values
from isoforge.problems import Problem, Severity, did_you_mean
from isoforge.regular_file import is_present, require_regular
from isoforge.yaml_limits import Fault, LimitError, read_text
from isoforge.yaml_reader import Document, read
from isoforge.yaml_tree import Node, Origin, dotted

TREES = ("inventory", "inventory-local")
"""The directories of an inventory: the versioned one, and the overlay that wins over it."""

YAML_ENDINGS = (".yml", ".yaml")

SECRETS_NAMES = ("secrets.sops.yaml", "secrets.sops.yml")

KINDS = ("group_vars", "host_vars", "profiles", "profiles/hardware")
"""The folders of an inventory, by their paths in it."""

FOLDERS = {".": ("group_vars", "host_vars", "profiles", "files"), "profiles": ("hardware",)}
"""The folders that are read in an inventory, and in a folder of it."""


@dataclass(slots=True, kw_only=True)
class Tree:
    """One of the two directories of an inventory, ``inventory/`` or the overlay ``inventory-local/``.

    What is wrong with a file is added to ``problems`` when the file is read, which happens once.
    """

    root: Path
    problems: list[Problem]
    _read: dict[Path, Node | None] = field(default_factory=dict)
    _values: dict[tuple[str, str], list[Node]] = field(default_factory=dict)
    _secrets: dict[tuple[str, str], Path | None] = field(default_factory=dict)

    @property
    def hosts_file(self) -> Path:
        """Where the hosts are listed (also if there is no such file)."""
        return _first_file(self.root, "hosts") or self.root / "hosts.yml"

    def hosts(self) -> Node | None:
        """The content of ``hosts.yml``, not yet looked at; None without one."""
        return self.document(self.hosts_file) if is_present(self.hosts_file) else None

    def names(self, kind: str) -> dict[str, Path]:
        """What ``kind`` (``group_vars``, ``host_vars``, ``profiles/hardware``) has values for, and where."""
        folder = self.root / kind
        if not folder.is_dir():
            return {}
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
        return {
            path.stem if path.suffix in YAML_ENDINGS else path.name: path
            for path in paths
            if (path.is_dir() or path.suffix in YAML_ENDINGS) and not path.name.startswith(".")
        }

    def values(self, kind: str, name: str, scope: str) -> list[Node]:
        """The values that ``kind`` has for ``name``: ``NAME.yml``, then every file of the directory ``NAME/``."""
        if (kind, name) not in self._values:
            nodes = [node for path in _value_files(self.root / kind, name) if (node := self.document(path, scope))]
            for node in nodes:
                self.problems += check_values(node, scope)
            self._values[kind, name] = [node for node in nodes if isinstance(node.value, dict)]
        return self._values[kind, name]

    def secrets(self, kind: str, name: str) -> Path | None:
        """The encrypted file of ``name``, or None."""
        if (kind, name) not in self._secrets:
            paths = (self.root / kind / name / file_name for file_name in SECRETS_NAMES)
            self._secrets[kind, name] = next((path for path in paths if is_present(path)), None)
        return self._secrets[kind, name]

    def document(self, path: Path, scope: str = "") -> Node | None:
        """What ``path`` holds, which belongs to ``scope``; None if it is empty or cannot be read."""
        if path not in self._read:
            self._read[path] = read_file(path, self.problems, scope)
        return self._read[path]

    def strays(self) -> Iterator[Problem]:
        """A problem for each file and folder at the top of the inventory that looks as if it were read, and is not."""
        yield from self._irregular()
        for below, known in FOLDERS.items():
            folder = self.root / below
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.is_dir() and path.name not in known and (near := did_you_mean(path.name, known)):
                    yield _not_read("folder-misspelt", path, f"this folder is not read{near}")
        for name in ("hosts", "hosts.ini", "inventory.ini"):
            path = self.root / name
            if path.is_file() and not self.hosts_file.is_file():
                message = f"an INI inventory is not read: list the hosts in {self.root / 'hosts.yml'} as YAML"
                yield _not_read("ini-inventory", path, f"{message} (all: {{hosts: {{web-1: }}}})", Severity.ERROR)
            elif path.is_file():
                yield _not_read("file-not-read", path, f"is not read: hosts are listed in {self.hosts_file}")
        second = self.root / "hosts.yaml"
        if second.is_file() and self.hosts_file != second:
            yield _not_read("file-not-read", second, f"is not read: {self.hosts_file} takes precedence")

    def _irregular(self) -> Iterator[Problem]:
        """A problem for everything that is in the place of a folder of the inventory, and is none."""
        folders = [self.root, *(self.root / kind for kind in KINDS)]
        for folder in folders:
            inside = sorted(folder.iterdir()) if folder != self.root and folder.is_dir() else ()
            for path in (folder, *(one for one in inside if not one.suffix and not one.name.startswith("."))):
                if path.is_dir() or not is_present(path):
                    continue
                try:
                    require_regular(path)
                except OSError as error:
                    yield _not_read("file-unreadable", path, f"cannot be read: {error.strerror}", Severity.ERROR)
                else:
                    if path in folders:
                        yield _not_read("file-unreadable", path, "is a file, not a folder", Severity.ERROR)


def _not_read(id_: str, path: Path, message: str, severity: Severity = Severity.WARNING) -> Problem:
    return Problem(id=id_, file=str(path), message=message, severity=severity)


def read_file(path: Path, problems: list[Problem], scope: str = "") -> Node | None:
    """The mapping in ``path``, None if it is empty or cannot be read; what is wrong goes into ``problems``."""
    return mapping_of(read_document(path), str(path), problems, scope)


def mapping_of(document: Document, file: str, problems: list[Problem], scope: str = "") -> Node | None:
    """The mapping that ``document`` is, None if it is empty or not readable; what is wrong goes into ``problems``."""
    for fault in document.faults:
        key = dotted(fault.path)
        problems.append(Problem(id=fault.id, file=file, line=fault.line, scope=scope, key=key, message=fault.message))
    node = document.root
    if node is not None and not isinstance(node.value, dict):
        line = node.origin.line
        if isinstance(node.value, str) and node.value.startswith("$ANSIBLE_VAULT"):
            message = "Ansible Vault files are not supported: put the secrets into secrets.sops.yaml (see secrets.md)"
            problems.append(Problem(id="ansible-vault", file=file, line=line, scope=scope, message=message))
        else:
            message = "must be a mapping: lines such as `hostname: web-1`"
            problems.append(Problem(id="wrong-type", file=file, line=line, scope=scope, message=message))
        return Node(value={}, origin=Origin(file=file, line=line))
    return node


def read_document(path: Path) -> Document:
    """The YAML document in ``path``; that it cannot be read is a fault of it."""
    try:
        return read(read_text(path), str(path))
    except LimitError as error:
        return Document(faults=(error.fault,), readable=False)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = "is not UTF-8 text"
    return Document(faults=(Fault(id="file-unreadable", line=None, message=message),), readable=False)


def _first_file(folder: Path, stem: str) -> Path | None:
    return next((path for ending in YAML_ENDINGS if is_present(path := folder / f"{stem}{ending}")), None)


def _value_files(folder: Path, name: str) -> Iterator[Path]:
    single = _first_file(folder, name)
    if single is not None:
        yield single
    if (folder / name).is_dir():
        for path in sorted((folder / name).iterdir()):
            if path.suffix in YAML_ENDINGS and not path.name.startswith((".", "secrets")):
                yield path
