"""What a base ISO contains that decides which seeds it can install: kernels, sources, and its size.

Source: casper/install-sources.yaml, as the installer reads it (models/source.py): a list of sources or, in newer ISOs,
a mapping with the list and the kernel that belongs to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from isoforge.yaml_limits import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One variant of the system that an ISO can install; ``variant`` is server, desktop or core.

    ``has_tpm`` is whether it can be installed with its disk encrypted by the machine's TPM: then it has a system of
    snapd's (``snapd_system_label``), by itself or in one of its variations.
    """

    id: str
    variant: str = "server"
    is_default: bool = False
    has_tpm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseContents:
    """``sources`` in their order (empty if the ISO has no list of them), ``kernel_packages`` that it installs without
    a network (empty if it does not name one), ``kernels`` of the live system (``ga``, ``hwe``), and its size."""

    sources: tuple[Source, ...] = ()
    kernel_packages: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    size_bytes: int = 0

    def source(self, id_: str = "") -> Source | None:
        """The source with that id or, for "", the one that is installed by default; None if there is none."""
        if id_:
            return next((one for one in self.sources if one.id == id_), None)
        default = [one for one in self.sources if one.is_default]
        return default[-1] if default else next(iter(self.sources), None)


def base_contents(install_sources: str, *, kernels: Iterable[str] = (), size_bytes: int = 0) -> BaseContents:
    """The contents of an ISO, of whose ``install_sources`` (the text) whatever has another form is left out.

    Nothing is raised: an ISO with an unusual list can still be used, with fewer checks.
    """
    try:
        content = load(install_sources)
    except yaml.YAMLError:
        content = None
    whole = content if isinstance(content, dict) else {"sources": content}
    listed = whole.get("sources")
    kernel = whole.get("kernel")
    packages = [kernel.get(key) for key in ("default", "bridge")] if isinstance(kernel, dict) else []
    return BaseContents(
        sources=tuple(map(_source, filter(_is_source, listed if isinstance(listed, list) else ()))),
        kernel_packages=tuple(package for package in packages if isinstance(package, str)),
        kernels=tuple(kernels),
        size_bytes=size_bytes,
    )


def _is_source(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("id"), str)


def _source(entry: Mapping[str, Any]) -> Source:
    variations = entry.get("variations")
    forms = [entry, *(variations.values() if isinstance(variations, dict) else ())]
    return Source(
        id=entry["id"],
        variant=str(entry.get("variant", "")),
        is_default=entry.get("default") is True,
        has_tpm=any(isinstance(form, dict) and bool(form.get("snapd_system_label")) for form in forms),
    )
