"""Check of the seed that a kernel line names: would cloud-init find it, and the installer its configuration?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from isoforge.iso_layout import ROOT_AUTOINSTALL
from isoforge.proof.read.image import Image
from isoforge.proof.read.kernel_args import seed_address, seed_folder
from isoforge.yaml_limits import yaml_fault

_HEADERS = (
    *(b"#cloud-config", b"#cloud-boothook", b"#include", b"#!", b"#part-handler", b"## template"),
    *(b"content-type", b"mime-version", b"\x1f\x8b"),
)
"""How user-data begins that cloud-init does not ignore (cloud-init, handlers, INCLUSION_TYPES_MAP)."""

_ADDRESSES = ("/", "file://", "http://", "https://", "ftp://", "ftps://")
"""How the address of a seed begins (cloud-init, DataSourceNoCloud.py, supported_seed_starts)."""

_AUTOINSTALL = "autoinstall"


def in_seed(iso: Image, word: str, *, installs: bool) -> Iterator[str]:
    """What is wrong with the seed that ``word`` names; ``installs``: the kernel line has ``autoinstall``."""
    address, folder = seed_address(word), seed_folder(word)
    if re.match(r"file://[^/]", address):
        yield f"{address} names a host instead of a folder: write file:/// with three slashes"
    elif re.search(r";(s|seedfrom)=", word) and not address.lower().startswith((*_ADDRESSES, "$", "%", "__")):
        yield f"the seed {address!r} is not a folder or a URL: cloud-init ignores it"
    if folder is None:
        return
    if not address.endswith("/"):
        yield f"the seed {address} has no slash at its end: cloud-init before 23.1 looks for {address}user-data"
    if iso.find(folder) is None:
        yield f"the seed folder {folder} is not on the ISO"
        return
    for name in ("user-data", "meta-data"):
        node = iso.find(folder / name)
        if node is None or node.kind != "file":
            yield f"the seed has no {folder / name}: the installer would ask for everything"
        elif name == "user-data":
            yield from _in_user_data(iso, folder / name, installs=installs and ROOT_AUTOINSTALL not in iso.tree)


def _in_user_data(iso: Image, path: PurePosixPath, *, installs: bool) -> Iterator[str]:
    content = iso.content(path)
    head = content[:64].lstrip().lower()
    if not head.startswith(_HEADERS):
        yield f"{path} does not begin with #cloud-config: cloud-init ignores it"
    elif head.startswith(b"#cloud-config") and not head.startswith(b"#cloud-config-"):
        shape = _Shape()
        if reason := yaml_fault(content, shape.take):
            yield f"{path} is not valid YAML, so cloud-init ignores it: {reason}"
        else:
            yield from (f"{path} {fault}" for fault in shape.faults(installs=installs))


@dataclass(slots=True)
class _Level:
    """A mapping or a list that has begun; ``key`` is the key whose value comes next."""

    is_mapping: bool
    key: str | None = None
    keys: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Shape:
    """The outline of a document, from PyYAML's events: its keys and those of its autoinstall section."""

    documents: int = 0
    is_mapping: bool = False
    levels: list[_Level] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    section: list[str] | None = None
    is_alias: bool = False

    def take(self, event: Any) -> None:
        """Go on with ``event``."""
        if isinstance(event, yaml.CollectionEndEvent):
            self.levels.pop()
        elif isinstance(event, yaml.CollectionStartEvent):
            level = _Level(isinstance(event, yaml.MappingStartEvent))
            if not self.levels:
                self.is_mapping, self.keys = level.is_mapping, level.keys
            elif self._node("") == _AUTOINSTALL and len(self.levels) == 1:
                self.section = level.keys if level.is_mapping else None
            self.levels.append(level)
        elif isinstance(event, yaml.NodeEvent) and self.levels:
            text: str | None = getattr(event, "value", None)  # an alias has none
            if self._node(text or "") == _AUTOINSTALL and len(self.levels) == 1:
                self.section, self.is_alias = None, text is None
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1

    def _node(self, text: str) -> str | None:
        """The key that this node is the value of; None if it is itself a key, called ``text``, or in a list."""
        level = self.levels[-1]
        if not level.is_mapping:
            return None
        key, level.key = level.key, text if level.key is None else None
        if key is None and len(self.levels) <= 2:
            level.keys.append(text)
        return key

    def faults(self, *, installs: bool) -> Iterator[str]:
        """What is wrong with the document; ``installs``: it must have an autoinstall section."""
        if self.documents > 1:
            yield f"has {self.documents} documents: cloud-init ignores it"
        elif not self.is_mapping:
            yield "is not a mapping: cloud-init ignores it"
        for keys, where in ((self.keys, ""), (self.section or [], f"{_AUTOINSTALL}.")):
            yield from (f"has the key {where}{key} twice: only the last counts" for key in _repeated(keys))
        if not installs or not self.is_mapping or self.is_alias or "<<" in self.keys:
            return
        if _AUTOINSTALL not in self.keys:
            yield "has no autoinstall section: the installer asks for everything"
        elif self.section is None:
            yield "has an autoinstall section that is not a mapping: the installer refuses it"
        elif "version" not in self.section and "<<" not in self.section:
            yield "has an autoinstall section without a version: the installer refuses it"


def _repeated(keys: list[str]) -> list[str]:
    return [key for key in dict.fromkeys(keys) if key and keys.count(key) > 1] if len(set(keys)) < len(keys) else []
