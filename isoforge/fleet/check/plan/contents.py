"""What goes into the file systems of a plan: whether their kind can take it, and whether they are large enough.

Sources: mkfs of each kind for the least sizes; curtin, which copies the system to the target and runs grub-install;
the installer's own scale of sizes for what a kernel, a system and an EFI system partition need.
"""

from __future__ import annotations

from collections.abc import Mapping

from isoforge.fleet.check.findings import Findings
from isoforge.fleet.check.installers import BOOTS_FROM_EXT4_ONLY, GRUB_WITHOUT_LVM, XFS_OF_300_MIB, Since
from isoforge.fleet.check.plan.actions import FAT, Action, Mount, Plan
from isoforge.fleet.check.plan.sizes import GIB, MIB, readable

_NO_SYSTEM = {**dict.fromkeys(FAT, "FAT"), "ntfs": "NTFS"}
"""File systems without owners, permissions and links → their names."""

_OF_THE_SYSTEM = ("/", "/boot", "/usr", "/var", "/home", "/root", "/opt")

_PART_OF_ROOT = frozenset(
    {"/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys"}
)

_LEAST_BY_PATH = {
    "/boot": (400 * MIB, "two kernels with their initrds, and a third during updates"),
    "/usr": (GIB, "programs and libraries"),
    "/var": (256 * MIB, "package lists, databases and logs"),
}
_ESP = 100 * MIB
"""FAT32 takes 33 MiB at least (65,525 clusters); Windows and firmware updates count on 100."""

_ROOT = 2 * GIB
_ROOT_OF_STANDARD = 4 * GIB
_ELSEWHERE = {"/usr": 5 * GIB // 4, "/var": GIB // 4}
"""How much less / needs where these are file systems of their own."""

_LEAST_BY_KIND = {"xfs": 16 * MIB, "btrfs": 109 * MIB, "swap": 40 << 10, "zpool": 64 * MIB,
                  **dict.fromkeys(("ext2", "ext3", "ext4"), 128 << 10)}  # fmt: skip
_XFS_SINCE_22_10 = 300 * MIB
"""What mkfs.xfs wants from xfsprogs 5.19 on, which Ubuntu has since 22.10."""

_BIOS_GRUB = 256 << 10


def check(findings: Findings, plan: Plan, most: Mapping[str, int]) -> None:
    """Report file systems that cannot hold what goes into them; ``most`` is how large each device is at most."""
    for mount in plan.mounts.values():
        if mount.path in _PART_OF_ROOT:
            message = f"{mount.path} must be part of the root file system: the system cannot start without it"
            findings.error("mount-impossible", mount.where, message)
        elif mount.fstype in _NO_SYSTEM and _is_of_system(mount.path):
            kind = _NO_SYSTEM[mount.fstype]
            message = f"{kind} cannot hold {mount.path}: it has no owners, permissions or links; use ext4"
            if mount.path == "/":
                findings.error("root-on-fat", mount.where, message)
            else:
                findings.error("filesystem-unsuitable", mount.where, message)
        _check_size(findings, plan, mount, most)
    _check_boot(findings, plan)
    if findings.firmware != "bios":
        _check_esps(findings, plan, most)
    for action in plan.actions:
        _check_least(findings, plan, action, most)


def _is_of_system(path: str) -> bool:
    return path in _OF_THE_SYSTEM or path.startswith(("/usr/", "/var/lib/"))


def _check_size(findings: Findings, plan: Plan, mount: Mount, most: Mapping[str, int]) -> None:
    device = next(iter(plan.below(mount.format)), None) if mount.format is not None else None
    if device is None or device.id not in most or device.is_preserved or mount.fstype in ("ntfs", "swap"):
        return
    least, contents = _LEAST_BY_PATH.get(mount.path, (0, ""))
    standard = 0
    if mount.path == "/":
        least = _ROOT - sum(size for path, size in _ELSEWHERE.items() if path in plan.mounts)
        contents = "the system with its kernel and firmware"
        standard = _ROOT_OF_STANDARD if not _ELSEWHERE.keys() & plan.mounts.keys() else 0
    sized = _sized(plan, device)
    size = readable(most.get(sized.id, most[device.id]))
    where = sized.at("size") if "size" in sized.fields else sized.path
    if most[device.id] < least:
        message = f"{size} is too small for {mount.path}, which needs at least {readable(least)}: {contents}"
        findings.error("size-too-small", where, message)
    elif most[device.id] < standard:
        message = f"{size} for / is enough for a minimal server only: a standard one needs {readable(standard)}"
        findings.warning("size-of-root-small", where, message)


def _check_esps(findings: Findings, plan: Plan, most: Mapping[str, int]) -> None:
    mount = plan.mounts.get("/boot/efi")
    esps = {one.id for one in plan.below(mount.format)} if mount is not None and mount.format is not None else set()
    for part in plan.of("partition"):
        is_esp = part.id in esps or (part.fields.get("grub_device") is True and part.text("flag") != "prep")
        size = most.get(part.id)
        if is_esp and size is not None and size < _ESP and not part.is_preserved:
            message = f"{readable(size)} is too small for an EFI system partition: use 100M at least, 1G leaves room"
            findings.error("esp-too-small", part.at("size"), message)


def _check_least(findings: Findings, plan: Plan, action: Action, most: Mapping[str, int]) -> None:
    """Report what is too small to be formatted, encrypted or written to at all."""
    if action.is_preserved:
        return
    if action.kind == "partition" and action.text("flag") == "bios_grub" and findings.firmware != "uefi":
        if most.get(action.id, _BIOS_GRUB) < _BIOS_GRUB:
            _refuse(findings, plan, action, most, "GRUB's core image: use 1M")
    elif action.kind == "dm_crypt" and most.get(action.id) == 0:
        _refuse(findings, plan, plan.below(action)[0], most, "encryption: the header alone takes 16M")
    elif action.kind in ("format", "zpool"):
        kind = action.text("fstype") if action.kind == "format" else action.kind
        for device in plan.below(action):
            size = most.get(device.id, 0)
            if 0 < size < _LEAST_BY_KIND.get(kind, 0):
                _refuse(findings, plan, device, most, f"{kind}, which needs {readable(_LEAST_BY_KIND[kind])}")
            elif kind == "xfs" and 0 < size < _XFS_SINCE_22_10 and _may_hold(findings, XFS_OF_300_MIB):
                _refuse(findings, plan, device, most, "xfs, which needs 300M (Ubuntu 22.10 and later)")


def _refuse(findings: Findings, plan: Plan, device: Action, most: Mapping[str, int], purpose: str) -> None:
    sized = _sized(plan, device)
    where = sized.at("size") if "size" in sized.fields else sized.path
    size = readable(most.get(sized.id, most.get(device.id, 0)))
    findings.error("size-too-small", where, f"{size} is too small for {purpose}")


def _may_hold(findings: Findings, fact: Since) -> bool:
    """Whether ``fact`` holds for the base ISO, or its release is not known."""
    return findings.release is None or fact.holds(findings.release)


def _check_boot(findings: Findings, plan: Plan) -> None:
    """GRUB must be able to read /boot, or / if there is no other: not through LUKS, and since 26.10 as ext4 only."""
    mount = plan.mounts.get("/boot") or plan.mounts.get("/")
    if mount is None:
        return
    stack = list(plan.stack(mount.format)) if mount.format is not None else []
    if mount.format is not None and any(one.kind == "dm_crypt" for one in stack) and not mount.format.is_preserved:
        add = ": add an unencrypted partition for /boot" if mount.path == "/" else ""
        message = f"{mount.path} is encrypted, but GRUB must read the kernel from it{add}"
        findings.error("boot-encrypted", mount.where[:-1], message)
    is_uefi = findings.firmware == "uefi" or (findings.firmware is None and "/boot/efi" in plan.mounts)
    release = findings.release
    if release is None or not is_uefi:
        return
    if BOOTS_FROM_EXT4_ONLY.holds(release) and mount.fstype not in ("ext4", ""):
        where = mount.format.at("fstype") if mount.format is not None else mount.where
        message = f"{mount.path} holds the kernel, and must be ext4 from Ubuntu 26.10 on (UEFI), not {mount.fstype}"
        findings.error("boot-not-ext4", where, message)
    elif GRUB_WITHOUT_LVM.holds(release):
        device = next((one for one in stack if one.kind == "lvm_partition" or _is_array_but_mirror(one)), None)
        if device is not None:
            kind = "LVM" if device.kind == "lvm_partition" else f"an array of level {device.fields.get('raidlevel')}"
            message = f"{mount.path} holds the kernel, but the signed GRUB of {release} is not meant to read {kind}"
            add = ": add a partition for /boot, or make its array a mirror (level 1)"
            findings.warning("boot-on-lvm", mount.where[:-1], f"{message}{add}")


def _is_array_but_mirror(action: Action) -> bool:
    return action.kind == "raid" and str(action.fields.get("raidlevel")).removeprefix("raid") not in ("1", "mirror")


def _sized(plan: Plan, device: Action) -> Action:
    """The device whose size was written: ``device`` itself, or the first one below it that has a size."""
    return next((one for one in plan.stack(device) if "size" in one.fields), device)
