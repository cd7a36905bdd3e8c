"""md5sum.txt stays true, and lists only what is there."""

from __future__ import annotations

from hashlib import md5
from pathlib import PurePosixPath

from isoforge.image.checksums import refreshed

OLD = "0" * 32


def digest(content: bytes) -> str:
    return md5(content, usedforsecurity=False).hexdigest()


def test_line_of_a_changed_file_is_rewritten_in_its_place() -> None:
    before = f"{OLD}  ./boot/grub/grub.cfg\n{OLD}  ./casper/vmlinuz\n"
    after = refreshed(before, {PurePosixPath("/boot/grub/grub.cfg"): b"menu"})
    assert after == f"{digest(b'menu')}  ./boot/grub/grub.cfg\n{OLD}  ./casper/vmlinuz\n"


def test_new_files_are_added_at_the_end_in_order() -> None:
    after = refreshed("", {PurePosixPath("/nocloud/h2/user-data"): b"2", PurePosixPath("/nocloud/h1/user-data"): b"1"})
    assert after == f"{digest(b'1')}  ./nocloud/h1/user-data\n{digest(b'2')}  ./nocloud/h2/user-data\n"


def test_a_menu_that_the_base_leaves_out_stays_out() -> None:
    assert refreshed(f"{OLD}  ./casper/vmlinuz\n", {PurePosixPath("/boot/grub/grub.cfg"): b"menu"}) == (
        f"{OLD}  ./casper/vmlinuz\n"
    )
