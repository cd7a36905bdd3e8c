"""The files of an inventory, each read once: hosts, group_vars, host_vars, hardware profiles, encrypted secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.fleet.inventory.validate import check_values
from isoforge.problems import Problem
from isoforge.yaml_tree import Node, Origin, read

TREES = ("inventory", "inventory-local")
"""The directories of an inventory: the versioned one, and the overlay that wins over it."""

YAML_ENDINGS = (".yml", ".yaml")

SECRETS_NAMES = ("secrets.sops.yaml", "secrets.sops.yml")


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
        """Where the hosts are written down (also if there is none)."""
        return _first_file(self.root, "hosts") or self.root / "hosts.yml"

    def hosts(self) -> Node | None:
        """The content of ``hosts.yml``, not yet looked at; None without one."""
        return self.document(self.hosts_file) if self.hosts_file.is_file() else None

    def names(self, kind: str) -> dict[str, Path]:
        """What ``kind`` (``group_vars``, ``host_vars``, ``profiles/hardware``) has values for, and where."""
        folder = self.root / kind
        if not folder.is_dir():
            return {}
        found = sorted(folder.iterdir(), key=lambda path: path.name)
        return {
            path.stem if path.suffix in YAML_ENDINGS else path.name: path
            for path in found
            if (path.is_dir() or path.suffix in YAML_ENDINGS) and not path.name.startswith(".")
        }

    def values(self, kind: str, name: str, address: str) -> list[Node]:
        """The values that ``kind`` has for ``name``: ``NAME.yml``, then every file of the directory ``NAME/``."""
        if (kind, name) not in self._values:
            found = map(self.document, _value_files(self.root / kind, name))
            nodes = [node for node in found if node is not None]
            for node in nodes:
                self.problems += check_values(node, address)
            self._values[kind, name] = [node for node in nodes if isinstance(node.value, dict)]
        return self._values[kind, name]

    def secrets(self, kind: str, name: str) -> Path | None:
        """The encrypted file of ``name``, or None."""
        if (kind, name) not in self._secrets:
            places = (self.root / kind / name / file_name for file_name in SECRETS_NAMES)
            self._secrets[kind, name] = next((path for path in places if path.is_file()), None)
        return self._secrets[kind, name]

    def document(self, path: Path) -> Node | None:
        """What ``path`` holds; None if it is empty or cannot be read."""
        if path not in self._read:
            self._read[path] = read_file(path, self.problems)
        return self._read[path]


def read_file(path: Path, problems: list[Problem]) -> Node | None:
    """The document in ``path``, None if it is empty or cannot be read; what is wrong goes into ``problems``."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        problems.append(Problem(file=str(path), address="(file)", text=f"cannot be read: {failure.strerror}"))
        return None
    except UnicodeDecodeError:
        problems.append(Problem(file=str(path), address="(file)", text="is not UTF-8 text"))
        return None
    node = read(text, str(path), problems)
    if node is not None and not isinstance(node.value, dict):
        problems.append(Problem(file=str(path), line=node.origin.line, address="(file)", text="must be a mapping"))
        return Node(value={}, origin=Origin(file=str(path), line=node.origin.line))
    return node


def _first_file(folder: Path, stem: str) -> Path | None:
    return next((path for ending in YAML_ENDINGS if (path := folder / f"{stem}{ending}").is_file()), None)


def _value_files(folder: Path, name: str) -> Iterator[Path]:
    single = _first_file(folder, name)
    if single is not None:
        yield single
    if (folder / name).is_dir():
        for path in sorted((folder / name).iterdir()):
            if path.suffix in YAML_ENDINGS and not path.name.startswith((".", "secrets")) and path.is_file():
                yield path
