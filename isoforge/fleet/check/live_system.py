"""What a host wants of the live system, and of a machine without network, against the base ISO that is at hand."""

from __future__ import annotations

from isoforge.base_contents import BaseContents
from isoforge.fleet.check.findings import mapping
from isoforge.fleet.check.host_view import HostView
from isoforge.fleet.check.plan.sizes import GIB, parsed, readable
from isoforge.yaml_limits import KeyPath

_LIVE_SYSTEM = GIB
"""What the live system and the installer need beside a copy of the medium."""


def check_live_system(view: HostView, base: BaseContents | None) -> None:
    """Report a kernel that the ISO does not have, and too little memory for a copy of it, if ``base`` is known."""
    _check_stick(view)
    if base is None:
        return
    kernel = view.text("kernel")
    if kernel and base.kernels and kernel not in base.kernels:
        message = f"the base ISO has no {kernel} kernel: only some point releases have an HWE kernel"
        view.error("kernel-not-on-iso", ("kernel",), message)
    _check_memory(view, base)
    _check_installed_kernel(view, base)
    _check_ssh_server(view, base)


def _toram(view: HostView) -> KeyPath | None:
    """Where the host asks for a copy of the medium in memory; None if it does not."""
    if view.true("toram"):
        return ("toram",)
    return next((path for path, word in view.texts("kernel_args") if word == "toram"), None)


def _check_stick(view: HostView) -> None:
    """With a copy in memory, the installer no longer knows its medium from other disks (casper, toram; subiquity,
    models/storage.py: only a disk that is in use is left out)."""
    path = _toram(view)
    members: list[KeyPath] = [("storage", "disks", number) for number in range(len(view.items("storage", "disks")))]
    keys = ("serial", "model", "path", "id_path", "devpath")
    for disk in (("storage", "disk"), *members):
        if path and view.entries(*disk) and not any(view.has(*disk, key) for key in keys):
            message = "the installer could wipe its own stick: select the disk by serial, model or path"
            view.error("toram-any-disk", path, message)


def _check_memory(view: HostView, base: BaseContents) -> None:
    """casper(7), toram: without enough memory it leaves the medium where it is, and goes on from there."""
    path = _toram(view)
    if path is None or not base.size_bytes:
        return
    needed = base.size_bytes + _LIVE_SYSTEM
    node = view.host.node.at(("hardware", "memory"))
    size = parsed(node.value) if node is not None else None
    memory = size.bytes if size is not None else None
    if memory is None:
        message = f"copies the ISO to memory, which takes {readable(needed)}: add `hardware.memory` to have it checked"
        view.warning("memory-unknown", path, message)
    elif memory < needed:
        message = f"has no effect with {readable(memory)} of memory: a copy of this ISO takes {readable(needed)}"
        view.warning("memory-too-small", path, message)


def _check_installed_kernel(view: HostView, base: BaseContents) -> None:
    """A machine without network can only install the kernel of the ISO's package pool."""
    if not view.true("offline") or not base.kernel_packages:
        return
    package, flavour = (view.text("autoinstall", "kernel", key) for key in ("package", "flavor"))
    wanted = package or ("" if flavour in ("", "generic") else f"linux-{flavour}")
    if wanted and wanted not in base.kernel_packages:
        known = " and ".join(base.kernel_packages)
        message = f"{wanted} may have to be downloaded, but the host is offline: the base ISO names {known}"
        view.warning("kernel-needs-network", ("autoinstall", "kernel", "package" if package else "flavor"), message)


def _check_ssh_server(view: HostView, base: BaseContents) -> None:
    """The package pool of a desktop ISO has no SSH server, other than that of a live-server ISO."""
    source = base.source(view.text("source", "id"))
    is_wanted = mapping(view.host.values.get("ssh")).get("install_server") is True
    if view.true("offline") and is_wanted and source is not None and source.variant == "desktop":
        message = "needs a network: a desktop ISO has no SSH server, but the host has `offline: true`; write false"
        view.error("needs-network", ("ssh", "install_server"), message)
