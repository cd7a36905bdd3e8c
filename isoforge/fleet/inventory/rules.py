"""What one host's values must mean together, beyond the kind of each."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from isoforge.fleet.inventory.host import Host
from isoforge.fleet.inventory.match_rules import check_match
from isoforge.fleet.inventory.network_rules import check_network
from isoforge.fleet.inventory.schema import find
from isoforge.fleet.inventory.storage_rules import check_storage
from isoforge.fleet.inventory.validate import did_you_mean
from isoforge.fleet.inventory.view import View
from isoforge.problems import Problem
from isoforge.yaml_tree import Path_

EXAMPLE_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGlzb2ZvcmdlIGV4YW1wbGU6IHJlcGxhY2UgdGhpcyBr"
"""The public key of the shipped examples. Its bytes are a sentence: nobody holds the other half."""

EXAMPLE_PASSPHRASE = "example passphrase, replace me"  # noqa: S105  known to all, and said so
"""The disk passphrase of the shipped examples, which the whole world knows."""

_NEEDS_NETWORK = ("packages", "snaps", "refresh_installer", "ubuntu_pro", "drivers")

_KERNEL_FLAGS = "nomodeset|quiet|splash|noapic|nolapic|nosmt|noefi|debug|verbose|text"
_KERNEL_NAMES = (
    "acpi|amd_iommu|apic|clocksource|cpuidle|earlycon|earlyprintk|efi|idle|intel_idle|intel_iommu|iommu|irqpoll|libata"
    "|loglevel|mem|memmap|mitigations|nohz|panic|pci|pcie_aspm|pcie_ports|processor|reboot|tsc|vga|video"
)
_KERNEL_ARGS = (
    r"console=[A-Za-z0-9,]+",
    f"({_KERNEL_FLAGS})",
    rf"({_KERNEL_NAMES})=[\w,.:@$+-]+",
    r"(net\.ifnames|biosdevname)=[01]",
    r"fsck\.mode=(auto|skip|force)",
    r"(module_blacklist|modprobe\.blacklist)=[\w,-]+",
    r"[a-z0-9_]+\.[a-z0-9_]+=[\w,.:+-]+",
)
"""Words that only the kernel and its modules read. casper takes others (ip=, url=, uuid=, persistent …) for its own."""


def check_host(host: Host) -> Iterator[Problem]:
    """What is wrong with the host's values."""
    view = View(host=host)
    yield from check_match(view)
    yield from _check_access(view)
    yield from _check_plain_secrets(view)
    yield from check_storage(view)
    yield from check_network(view)
    yield from _check_offline(view)
    yield from _check_kernel_args(view)
    yield from _check_texts(view)


def check_release(host: Host, release: str | None) -> Iterator[Problem]:
    """What the installer of ``release`` ("24.04.2") would not know; nothing if it is None.

    Point releases carry newer installers than their first edition, but which one cannot be told from the name: what
    came later than the first edition is refused.
    """
    known = re.match(r"\d\d\.\d\d", release or "")
    if not known:
        return
    view = View(host=host)
    for path, _ in host.node.leaves():
        at = find(path)
        if at is not None and at.key.since > known[0]:
            text = f"needs the installer of Ubuntu {at.key.since} or later; the base ISO has that of {release}"
            yield view.error(path, text)
    if view.text("storage", "layout") == "zfs" and known[0] < "23.10":
        text = f"zfs needs Ubuntu 23.10 or later; the installer of {release} would silently take it for direct"
        yield view.error(("storage", "layout"), text)


def _check_access(view: View) -> Iterator[Problem]:
    """Whether somebody could log in, unless that is settled where we do not look."""
    for path, key in view.texts("ssh", "authorized_keys"):
        yield from _check_key(view, path, key)
    if any(view.has(key) for key in ("user_data", "autoinstall", "interactive_sections")):
        return
    has_password = view.has("identity", "password_hash")
    if not view.has("identity"):
        yield view.error(("identity",), "is missing: nobody could log in (identity.username and a key or password)")
    elif not view.has("identity", "username"):
        yield view.error(("identity", "username"), "is missing: who is the first user?")
    elif not has_password and not view.items("ssh", "authorized_keys"):
        yield view.error(("identity",), "nobody could log in: give ssh.authorized_keys or identity.password_hash")
    if not has_password and view.true("ssh", "allow_password"):
        yield view.warning(("ssh", "allow_password"), "there is no identity.password_hash to log in with")
    if not has_password and view.text("identity", "sudo") == "password":
        text = "sudo would ask for a password that does not exist: give identity.password_hash, or take nopasswd"
        yield view.error(("identity", "sudo"), text)


def _check_key(view: View, path: Path_, key: str) -> Iterator[Problem]:
    if EXAMPLE_KEY in key:
        text = "is the example's key, whose other half nobody holds: put your own here (~/.ssh/id_ed25519.pub)"
        yield view.warning(path, text)
    elif "PRIVATE KEY" in key:
        yield view.error(path, "is a private key: the public one belongs here, from the file that ends in .pub")
    elif not re.fullmatch(r"(\S+ )?(ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/=]+( .*)?", key.strip()):
        yield view.warning(path, "does not look like a public key: ssh-ed25519 AAAA… comment")


def _check_plain_secrets(view: View) -> Iterator[Problem]:
    for path in (("identity", "password_hash"), ("storage", "passphrase"), ("ubuntu_pro", "token")):
        node = view.host.node.at(path)
        if node is None or node.secret or not isinstance(node.value, str):
            continue
        if node.value == EXAMPLE_PASSPHRASE:
            yield view.warning(
                path, "is the example's: everybody knows it. Put your own into secrets.sops.yaml", leak=True
            )
        elif not node.value.startswith(("!", "*")):
            text = "stands here in plain text: move it to secrets.sops.yaml beside this file"
            yield view.warning(path, text, leak=True)


def _check_offline(view: View) -> Iterator[Problem]:
    if not view.true("offline"):
        return
    for key in _NEEDS_NETWORK:
        node = view.host.node.at((key,))
        if node is not None and node.value not in ([], {}, False):
            yield view.error((key,), "needs a network, and offline: true says that there is none")


def _check_kernel_args(view: View) -> Iterator[Problem]:
    for path, word in view.texts("kernel_args"):
        if not any(re.fullmatch(form, word) for form in _KERNEL_ARGS):
            text = f"{word!r} is not allowed on the kernel line: only words that the kernel itself reads are"
            yield view.error(path, text)


def _check_texts(view: View) -> Iterator[Problem]:
    zone = view.text("timezone")
    if zone and zone != "geoip" and _zones() and zone not in _zones():
        yield view.error(("timezone",), f"there is no time zone {zone}{did_you_mean(zone, _zones())}")
    for number, _ in enumerate(view.items("snaps")):
        if not view.has("snaps", number, "name"):
            yield view.error(("snaps", number, "name"), "is missing")


def folded(problems: list[Problem]) -> list[Problem]:
    """The problems, those that several hosts owe to one line of one file said once."""
    alike: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        key = (problem.file, problem.line, problem.text, problem.address.split(".", 2)[-1], problem.severity)
        alike.setdefault(key, []).append(problem)
    return [replace(first, also=tuple(other.address for other in others)) for first, *others in alike.values()]


@cache
def _zones() -> frozenset[str]:
    """The time zones that this machine knows; none where it has no tzdata, and then none is judged."""
    return frozenset(zoneinfo.available_timezones())
