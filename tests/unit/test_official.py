"""Which ISO is wanted, where it is, and what its name in a list is."""

from __future__ import annotations

import pytest

from isoforge.errors import UsageError
from isoforge.official.images import checked_mirror, recognized, wanted
from isoforge.official.sums import SumsList

NAMES = [
    "ubuntu-24.04.3-live-server-amd64.iso",
    "ubuntu-24.04.4-live-server-amd64.iso",
    "ubuntu-24.04.10-live-server-amd64.iso",
    "ubuntu-24.04.4.1-live-server-amd64.iso",
    "ubuntu-24.04.11-live-server-arm64.iso",
    "ubuntu-24.04.11-live-server-arm64+largemem.iso",
    "ubuntu-24.04.11-desktop-amd64.iso",
    "ubuntu-24.04.12-beta-live-server-amd64.iso",
    "ubuntu-26.04-live-server-amd64.iso",
    "ubuntu-24.04.11-live-server-amd64.iso.zsync",
]


@pytest.mark.parametrize(
    ("release", "arch", "desktop", "name"),
    [
        ("24.04", "amd64", False, "ubuntu-24.04.10-live-server-amd64.iso"),
        ("24.04.4", "amd64", False, "ubuntu-24.04.4-live-server-amd64.iso"),
        ("24.04.4.1", "amd64", False, "ubuntu-24.04.4.1-live-server-amd64.iso"),
        ("24.04", "arm64", False, "ubuntu-24.04.11-live-server-arm64.iso"),
        ("24.04", "arm64+largemem", False, "ubuntu-24.04.11-live-server-arm64+largemem.iso"),
        ("24.04", "amd64", True, "ubuntu-24.04.11-desktop-amd64.iso"),
        ("26.04", "amd64", False, "ubuntu-26.04-live-server-amd64.iso"),
        ("24.04.5", "amd64", False, None),
        ("24.04", "arm64", True, None),
    ],
)
def test_newest_of_the_wanted_kind_is_chosen(release: str, arch: str, desktop: bool, name: str | None) -> None:
    assert wanted(release, arch=arch, desktop=desktop).newest(NAMES) == name


def test_folders_of_ubuntus_servers() -> None:
    assert wanted("24.04").folders(None)[0] == "https://releases.ubuntu.com/24.04"
    assert wanted("24.04", arch="arm64").folders(None)[0] == "https://cdimage.ubuntu.com/releases/24.04/release"
    assert "https://old-releases.ubuntu.com/releases/24.04.2" in wanted("24.04.2").folders(None)
    assert all("old-releases" not in folder for folder in wanted("24.04").folders(None))


def test_folders_of_a_mirror_are_all_on_it() -> None:
    folders = wanted("24.04.2", arch="arm64").folders("http://mirror.example.org/ubuntu")
    assert folders[0] == "http://mirror.example.org/ubuntu/24.04/release"
    assert all(folder.startswith("http://mirror.example.org/ubuntu/24.04") for folder in folders)


@pytest.mark.parametrize(
    ("name", "volume_id", "words"),
    [
        ("ubuntu-24.04.4-desktop-amd64.iso", "", "Ubuntu 24.04.4 desktop for amd64"),
        ("my.iso", "Ubuntu-Server 24.04.4 LTS amd64", "Ubuntu 24.04.4 live-server for amd64"),
        ("my.iso", "Ubuntu 25.10 arm64", "Ubuntu 25.10 desktop for arm64"),
    ],
)
def test_iso_is_recognized_by_its_name_or_its_volume_id(name: str, volume_id: str, words: str) -> None:
    recognition = recognized(name, volume_id)
    assert recognition is not None
    assert recognition.words == words


def test_other_iso_is_not_recognized() -> None:
    assert recognized("debian-12.iso", "Debian 12 amd64") is None


@pytest.mark.parametrize(
    "url",
    ["releases.ubuntu.com", "ftp://192.0.2.1", "file:///srv", "http://", "http://a:b@192.0.2.1/", "http://a/?x",
     "http://a b", "http://[", "http://a:99999", "http://a/\n"],
)  # fmt: skip
def test_invalid_mirror_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        checked_mirror(url)


def test_mirror_loses_its_last_slash() -> None:
    assert checked_mirror("http://192.0.2.1/ubuntu/") == "http://192.0.2.1/ubuntu"


def test_list_is_read_line_by_line_and_what_is_ambiguous_is_skipped() -> None:
    one, two = "1" * 64, "2" * 64
    lines = [
        f"{one} *a.iso",
        f"{two}  b.iso",
        "nonsense",
        f"{one} *../c.iso",
        f"{one} *d.iso",
        f"{two} *d.iso",
        "333 *e",
    ]
    sums = SumsList(source="list", text="\n".join(lines).encode(), signature=b"")
    assert sums.digests == {"a.iso": one, "b.iso": two}
