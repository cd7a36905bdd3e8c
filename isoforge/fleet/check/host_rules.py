"""What is wrong with a host's own words: the keys that never reach its seed, or that say more than the seed shows."""

from __future__ import annotations

import re

from isoforge.base_contents import BaseContents
from isoforge.fleet.check.catalogue import ignorable, kinds
from isoforge.fleet.check.findings import Finding
from isoforge.fleet.check.host_view import HostView
from isoforge.fleet.check.live_system import check_live_system
from isoforge.fleet.check.report_rules import check_report
from isoforge.fleet.check.sources import asks_for_user
from isoforge.fleet.check.target_files import check_target_files
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.smbios import is_placeholder
from isoforge.iso_layout import DETECT, TABLE_KEYS
from isoforge.problems import did_you_mean
from isoforge.release import Release
from isoforge.yaml_limits import KeyPath

EXAMPLE_PASSPHRASE = "example passphrase, replace me"  # noqa: S105  everybody knows it, and the problem says so
"""The disk passphrase of the shipped examples."""

_NEEDS_NETWORK = ("packages", "snaps", "refresh_installer", "ubuntu_pro", "drivers")

_KERNEL_FLAGS = "toram|nomodeset|quiet|splash|noapic|nolapic|nosmt|noefi|debug|verbose|text"
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
"""Words that only the kernel and its modules read, and casper's `toram`. casper takes others (ip=, url=, uuid=,
persistent …) for its own."""


def check_host(host: Host, *, release: Release | None = None, base: BaseContents | None = None) -> list[Finding]:
    """What is wrong with the host's values; the paths are those of the inventory.

    ``release`` and ``base`` are the base ISO's, if they are known.
    """
    view = HostView(host=host)
    _check_match(view)
    if view.has("identity", "username") or not asks_for_user(release, base, view.text("source", "id")):
        _check_access(view)
    check_live_system(view, base)
    _check_plain_text(view)
    _check_storage(view)
    check_report(view)
    _check_offline(view)
    _check_kernel_args(view)
    _check_ignored(view)
    _check_vendor_data(view)
    check_target_files(view, release)
    return view.findings


def _check_match(view: HostView) -> None:
    if view.host.name == DETECT:
        message = f"{DETECT} is the name of the menu's entry that detects the machine: use another"
        view.error("host-name-reserved", (), message)
    node = view.host.node.at(("match",))
    if node is not None and node.value == {}:
        view.warning("match-empty", ("match",), "is empty: nothing tells this machine from the others")
    for key in (*TABLE_KEYS, "mac"):
        written = view.host.node.at(("match", key))
        if written is not None and written.value in ("", []):
            message = "is empty: the guard would have nothing to compare; remove it"
            view.error("match-value-empty", ("match", key), message)
        for path, value in view.texts("match", key):
            if not all(" " <= char <= "~" for char in value):
                message = "has characters other than printable ASCII, which the menu cannot compare"
                view.error("match-not-ascii", path, message)
            elif is_placeholder(value):
                message = f"{value!r} is what firmware reports when no value was set: many machines have it"
                view.error("match-placeholder", path, message)


def _check_access(view: HostView) -> None:
    """Whether somebody could log in, unless that is settled where we do not look."""
    if any(view.has(key) for key in ("user_data", "autoinstall", "interactive_sections")):
        return
    has_password = view.has("identity", "password_hash")
    if not view.has("identity", "username"):
        view.error("user-name-missing", ("identity", "username"), "is required: the name of the first user")
    elif not has_password and not view.items("ssh", "authorized_keys"):
        message = "nobody could log in: add ssh.authorized_keys or identity.password_hash"
        view.error("login-missing", ("identity",), message)
    if not has_password and view.true("ssh", "allow_password"):
        message = "has no effect: there is no identity.password_hash to log in with"
        view.warning("password-login-impossible", ("ssh", "allow_password"), message)
    if not has_password and view.text("identity", "sudo") == "password":
        message = "sudo would ask for a password that does not exist: add identity.password_hash, or use nopasswd"
        view.error("sudo-impossible", ("identity", "sudo"), message)


def _check_plain_text(view: HostView) -> None:
    for path in (
        ("identity", "password_hash"),
        ("storage", "passphrase"),
        ("ubuntu_pro", "token"),
        ("report", "token"),
    ):
        node = view.host.node.at(path)
        if node is None or node.secret or not isinstance(node.value, str) or not node.value:
            continue
        if node.value == EXAMPLE_PASSPHRASE:
            message = "is the passphrase of the examples, which everybody knows: put your own into secrets.sops.yaml"
            view.warning("passphrase-example", path, message, leak=True)
        elif not node.value.startswith(("!", "*")):
            message = "is in plain text here: move it to secrets.sops.yaml beside this file"
            view.warning("secret-in-inventory", path, message, leak=True)


def _check_storage(view: HostView) -> None:
    """Nothing if the raw section replaces it or a person answers it."""
    asked = {text for _, text in view.texts("interactive_sections")}
    if view.has("autoinstall", "storage") or asked & {"storage", "*"}:
        return
    layout = view.text("storage", "layout") or "lvm"
    _check_disks(view, layout)
    passphrase = view.host.node.at(("storage", "passphrase"))
    if layout == "direct" and passphrase is not None:
        message = "the layout direct cannot encrypt: use lvm, zfs, partitions or raid1"
        view.error("layout-not-encrypted", ("storage", "passphrase"), message)
    if passphrase is not None and passphrase.value == "":
        view.error("value-empty", ("storage", "passphrase"), "is empty")
    if layout != "lvm" and view.has("storage", "sizing_policy"):
        message = f"is for the layout lvm, not for {layout}"
        view.error("sizing-policy-ignored", ("storage", "sizing_policy"), message)
    if layout not in ("partitions", "raid1"):
        if view.has("storage", "partitions"):
            message = f"the layout {layout} creates its own partitions: use layout partitions or raid1"
            view.error("partitions-ignored", ("storage", "partitions"), message)
    else:
        _check_partitions(view)


def _check_disks(view: HostView, layout: str) -> None:
    right, wrong = ("disks", "disk") if layout == "raid1" else ("disk", "disks")
    if view.has("storage", wrong):
        message = f"the layout {layout} takes storage.{right}, not storage.{wrong}"
        view.error("disk-key-for-other-layout", ("storage", wrong), message)
    disks = view.items("storage", "disks")
    if layout == "raid1" and len(disks) != 2 and (disks or not view.has("storage", "disks")):
        message = f"raid1 mirrors exactly two disks, not {len(disks) or 'none'}"
        view.error("raid-too-few-members", ("storage", "disks"), message)
    paths: list[KeyPath] = [("storage", "disk")]
    if layout == "raid1":
        paths = [("storage", "disks", number) for number in range(len(disks))]
    for path in paths:
        if not view.entries(*path):
            message = "is required: which disk may be wiped, best by its serial (lsblk -o NAME,MODEL,SERIAL)"
            view.error("disk-missing", path, message)
        elif not any(view.has(*path, key) for key in ("serial", "model", "path", "id_path", "devpath")):
            view.warning("disk-any-of-machine", path, "matches any disk of the machine: add its serial, model or path")


def _check_partitions(view: HostView) -> None:
    parts = view.items("storage", "partitions")
    for number in range(len(parts)):
        path = ("storage", "partitions", number)
        mount = view.text(*path, "mount")
        if not mount:
            message = "is required: where it is mounted (swap for swap space)"
            view.error("mount-missing", (*path, "mount"), message)
        elif mount == "/boot/efi":
            message = "is created automatically; storage.esp_size is its size"
            view.error("mount-twice", (*path, "mount"), message)
        elif mount.endswith("/") and mount != "/" and mount.startswith("/"):
            view.error("mount-invalid", (*path, "mount"), f"{mount!r} ends with a slash: remove it")
        elif mount != "swap" and not re.fullmatch(r"/|(/[A-Za-z0-9._@-]+)+", mount):
            view.error("mount-invalid", (*path, "mount"), f"{mount!r} is not an absolute path")
        if number < len(parts) - 1 and not view.has(*path, "size"):
            message = "is required: only the last partition takes all remaining space"
            view.error("size-rest-not-last", (*path, "size"), message)


def _check_offline(view: HostView) -> None:
    if not view.true("offline"):
        return
    for key in _NEEDS_NETWORK:
        node = view.host.node.at((key,))
        if node is not None and node.value not in ([], {}, False):
            view.error("needs-network", (key,), "needs a network, but the host has `offline: true`")


def _check_kernel_args(view: HostView) -> None:
    for path, word in (*view.texts("kernel_args"), *view.texts("target_kernel_args")):
        if path[0] == "target_kernel_args" and word == "toram":
            view.error("kernel-arg-refused", path, "'toram' is of the live system: write `toram: true`")
        elif not any(re.fullmatch(form, word) for form in _KERNEL_ARGS):
            message = f"{word!r} is not allowed: only words that the kernel itself reads may be on the kernel line"
            view.error("kernel-arg-refused", path, message)


def _check_vendor_data(view: HostView) -> None:
    """cloud-init merges vendor-data below the seed's user-data, where a list or a section of it would be lost."""
    for key in view.entries("vendor_data"):
        if key == "autoinstall":
            message = "the installer takes it from user-data only: write it under `autoinstall:`"
            view.error("vendor-data-autoinstall", ("vendor_data", key), message)


def _check_ignored(view: HostView) -> None:
    for path, id_ in view.texts("ignore"):
        if id_ not in kinds():
            view.error("ignore-unknown", path, f"unknown problem id {id_!r}{did_you_mean(id_, kinds())}")
        elif id_ not in ignorable():
            view.error("ignore-error", path, f"{id_!r} is an error: only warnings can be ignored")
