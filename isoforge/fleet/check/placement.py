"""Where the findings of a review were written, and which of them follow from others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from isoforge.fleet.check.findings import Finding
from isoforge.fleet.inventory.host import Host, assembled
from isoforge.fleet.inventory.validate import WRONG_TYPE, check_values
from isoforge.problems import HOST, Problem
from isoforge.yaml_limits import KeyPath
from isoforge.yaml_tree import dotted, undotted
from isoforge.yaml_tree import without as without_value

_UNUSABLE = (WRONG_TYPE, "invalid-choice")

_DECISIVE = {("storage", "layout"), ("storage", "firmware")}
"""Values on which it depends what may be written beside them."""

_ABSENCE = ("-missing", "-empty", "-mounted", "-impossible", "disk-any-of-machine", WRONG_TYPE)
"""How the ids of problems end that report something missing, which may be missing because it was invalid."""

_WHOLE_FILE = ("yaml-", "file-unreadable", "encoding-wrong", "ansible-vault", WRONG_TYPE)
"""How the ids of problems begin that, without a key, say that nothing of a file could be read."""

_META_DATA = {"instance-id": "instance_id", "local-hostname": "hostname"}
"""Key of meta-data → the inventory's."""


def usable(host: Host, wrong: Sequence[Problem]) -> Host:
    """``host`` without the values whose type is wrong, or that no choice has: no template could make use of them."""
    if not any(one.id in _UNUSABLE for one in wrong):
        return host
    node = host.node
    for one in check_values(node, ""):
        if one.id in _UNUSABLE:
            node = without_value(node, undotted(one.key))
    return assembled(replace(host, node=node))


def spoilt_by(wrong: Iterable[Problem]) -> set[KeyPath]:
    """The paths of values that are ``wrong``; the empty one stands for a file that could not be read at all."""
    return {undotted(one.key) for one in wrong if one.key or one.id.startswith(_WHOLE_FILE)}


def follows(id_: str, path: KeyPath, spoilt: Collection[KeyPath]) -> bool:
    """Whether a problem at ``path`` may follow from values that are wrong, or hidden, already: these come first."""
    if any(one and path[: len(one)] == one for one in spoilt):
        return True
    if path[:1] == ("storage",) and len(path) <= 2 and _DECISIVE.intersection(spoilt):
        return not id_.startswith(("secret-", "passphrase-"))
    if id_ in ("login-missing", "login-impossible", "ssh-login-impossible") and any(
        one[:1] == ("ssh",) for one in spoilt
    ):
        return True
    return id_.endswith(_ABSENCE) and any(one[: len(path)] == path or not one for one in spoilt)


def problem_at(host: Host, one: Finding) -> Problem:
    """The problem at the inventory's path of ``one``."""
    origin = host.where(one.path)
    return problem_of(one, file=origin.file, line=origin.line or None, host=host, path=one.path)


def problem_of(one: Finding, *, file: str, line: int | None, host: Host, path: KeyPath) -> Problem:
    return Problem(
        id=one.id,
        file=file,
        line=line,
        scope=HOST + host.name,
        key=dotted(path),
        message=one.message,
        severity=one.severity,
        leak=one.leak,
    )


def user_data_template(templates: Sequence[Path]) -> str:
    """The template that a host's user-data is made from."""
    return str(next((path for folder in templates if (path := folder / "user-data.j2").is_file()), "user-data.j2"))


def in_meta_data(host: Host, one: Finding) -> Problem:
    """The problem that ``one`` is, a finding in the meta-data of ``host``."""
    return problem_at(host, replace(one, path=(_META_DATA.get(str(one.path[0]), "hostname"),)))
