"""The keys of a host's entry in the menu, of its kernel lines, and of what is known of its machine."""

from __future__ import annotations

from typing import Any

Row = tuple[str, str, str, dict[str, Any]]

SERIAL_CONSOLE = r"tty(S|AMA|USB)[0-9]{1,3}(,[0-9]{3,7}([noe][78]?r?)?)?"
"""A serial port and its speed, as the kernel takes them in ``console=`` (admin-guide/serial-console)."""

LIVE: tuple[Row, ...] = (
    ("kernel", "TEXT", "the kernel that the live system boots: ga or hwe", {"default": "ga", "choices": ("ga", "hwe")}),
    ("kernel_args", "TEXTS", "additional words on the live system's kernel line", {"default": []}),
    (
        "target_kernel_args",
        "TEXTS",
        "words behind the --- of the kernel line: the installed system gets them too",
        {"default": []},
    ),
    (
        "serial_console",
        "TEXT",
        "serial port of the menu, the live system and the installed system",
        {"pattern": SERIAL_CONSOLE, "form": "a port and its speed, for example ttyS1,115200"},
    ),
    ("safe_graphics", "BOOLEAN", "start the live system without graphics drivers (nomodeset)", {"default": False}),
    ("toram", "BOOLEAN", "copy the medium to memory; the stick or CD can then be removed", {"default": False}),
    ("offline", "BOOLEAN", "the machine has no network during the installation", {"default": False}),
    ("files", "MAPPING", "files for the installed system, by their path there", {}),
    ("files.*", "MAPPING", "one of them", {}),
    ("files.*.source", "TEXT", "where it is, below files/ of the inventory", {}),
    ("files.*.content", "TEXT", "what it holds, in place of a source; secret in secrets.sops.yaml", {}),
    (
        "files.*.owner",
        "TEXT",
        "its owner and group (default: root:root)",
        {"pattern": r"[a-z0-9_][a-z0-9_.-]*(:[a-z0-9_][a-z0-9_.-]*)?", "form": "a user, or user:group"},
    ),
    (
        "files.*.mode",
        "TEXT",
        "its mode (default: 0644; 0600 for encrypted content)",
        {"pattern": "[0-7]{3,4}", "form": "an octal number in quotes, for example '0644'"},
    ),
    ("menu", "MAPPING", "the host's entry in the menu", {}),
    ("menu.title", "TEXT", "its title (default: Install, the host's name and its description)", {}),
    ("menu.order", "INTEGER", "its place: lower numbers come first, equal ones as in hosts.yml", {"default": 0}),
    # The machine: only for checks
    ("hardware", "MAPPING", "what the machine has, as far as it is known; only checks use it", {}),
    ("hardware.memory", "SIZE", "its memory", {}),
    ("hardware.disks", "LIST", "its disks; storage plans are compared with their sizes", {}),
    ("hardware.disks[].serial", "TEXT", "the disk's serial number: udev's ID_SERIAL, or a part of it", {}),
    ("hardware.disks[].model", "TEXT", "its model (udev's ID_MODEL)", {}),
    ("hardware.disks[].path", "TEXT", "its kernel path, for example /dev/nvme0n1", {}),
    ("hardware.disks[].size", "SIZE", "its size; units are binary", {}),
)
"""Name, kind, meaning, and what else `schema.Key` has."""
