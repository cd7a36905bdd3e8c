"""The disk that a machine boots differs from the ISO in its initrds, what follows them and the hidden file only."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from isoforge.errors import BaseIsoError
from isoforge.image.tree import View, read_file, read_tree
from isoforge.proof.boot import cpio
from isoforge.proof.boot.probe import probe
from isoforge.proof.boot.qemu import runs_under
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.proof.boot.vmdk_overlay import BootImage, boot_image

pytestmark = pytest.mark.boots

HIDDEN = PurePosixPath("/casper/ubuntu-server-minimal.squashfs")
INITRDS = (PurePosixPath("/casper/hwe-initrd"), PurePosixPath("/casper/initrd"))


def write_plain(disk: BootImage, image: Path) -> None:
    """Write the contents of ``disk`` as one plain file."""
    folder = disk.image.parent
    with image.open("wb") as whole:
        for count, source, offset in re.findall(r'^RW (\d+) FLAT "(.*)" (\d+)$', disk.image.read_text(), re.MULTILINE):
            with (folder / source).open("rb") as file:
                file.seek(int(offset) * 512)
                whole.write(file.read(int(count) * 512))


def test_all_files_are_the_isos_own_but_the_initrds_and_the_hidden_one(tmp_path: Path) -> None:
    iso = tmp_path / 'of "mine", in quotes.iso'
    make_base(iso, hwe=True, initrd=b"a live system " * 700, filler_bytes=16 << 20)
    before = iso.read_bytes()
    (tmp_path / "disk").mkdir()
    disk = boot_image(iso, read_tree(iso), tmp_path / "disk")
    assert (disk.initrds, disk.hidden, disk.disk_format) == (INITRDS, HIDDEN, "vmdk")
    image = tmp_path / "image"
    write_plain(disk, image)
    assert image.stat().st_size == iso.stat().st_size
    for view in View:
        own, composed = read_tree(iso, view), read_tree(image, view)
        assert own.keys() == composed.keys()
        differing = {path for path in own if read_file(iso, own[path]) != read_file(image, composed[path])}
        assert differing == {*INITRDS, HIDDEN}
        for path in INITRDS:
            initrd, longer = read_file(iso, own[path]), read_file(image, composed[path])
            assert longer.startswith(initrd)
            assert longer.removeprefix(initrd).lstrip(b"\0") == cpio.initrd(probe())
            assert (len(longer) - len(cpio.initrd(probe()))) % 4 == 0
    assert iso.read_bytes() == before


def test_an_iso_without_room_for_it_is_refused(tmp_path: Path) -> None:
    iso = tmp_path / "small.iso"
    make_base(iso, initrd=b"a live system")
    with pytest.raises(BaseIsoError, match="no squashfs file"):
        boot_image(iso, read_tree(iso), tmp_path)


def test_an_accelerator_works_if_a_guest_runs_under_it_in_time() -> None:
    assert runs_under("tcg", limit_s=60)
    assert not runs_under("tcg", limit_s=0.001)
    assert not runs_under("no-such-accelerator")
