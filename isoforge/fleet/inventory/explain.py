"""Where each value of a host came from, for people who ask why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isoforge.fleet.inventory.host import Host, is_secret
from isoforge.fleet.inventory.schema import filled, shape
from isoforge.masking.spans import without
from isoforge.masking.tree import found_in
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import dotted, plain

MASK = "(secret)"
"""What is shown in place of a secret value."""

DEFAULT = "(default)"


def explain(host: Host) -> list[tuple[str, str, str]]:
    """Each value of the host: dotted key, value (masked if it is secret, or what in it is), and where it came from.

    Written values first, in the order of writing; then the defaults of the keys that were not written.
    """
    rows = []
    secrets = {found.path: found.spans for found in found_in(plain(host.node))}
    for path, leaf in host.node.leaves():
        text = _text(leaf.value)
        if is_secret(path, leaf) or (path in secrets and secrets[path] is None):
            text = MASK
        elif path in secrets:
            text = _text(without(str(leaf.value), secrets[path] or ()))
        rows.append((dotted(path), text, str(leaf.origin)))
    explicit = {row[0] for row in rows}
    for name, child in shape().children.items():
        for path, value in _defaults(filled(None, child), (name,)):
            if dotted(path) not in explicit and host.node.at(path) is None:
                rows.append((dotted(path), _text(value), DEFAULT))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value and value == value.strip() else repr(value)
    return str(value)


def _defaults(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _defaults(child, (*path, key))
    elif value is not None and value not in ("", []):
        yield path, value
