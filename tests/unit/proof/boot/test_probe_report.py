"""The probe's report is taken whole or not at all."""

from __future__ import annotations

import hashlib

import pytest

from isoforge.errors import ProofError
from isoforge.proof.boot.probe_report import is_complete, parse_report

FACTS = [
    "kernel-line BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud;s=/cdrom/nocloud/web-1/ ---",
    "uname 6.8.0-31-generic",
    "firmware uefi",
    "secure-boot on",
    "uuid 9f1ff4c2-0f3e-4f0c-9f39-5f4e63b5c0de",
    "medium sda1",
    "on-partition yes",
    f"view device {'1' * 64} web-1/user-data",
    f"view device {'2' * 64} web two/meta-data",
    "view-unreadable partition",
    "seed-folder /cdrom/nocloud/web-1/",
    f"seed user-data {'1' * 64}",
    f"seed meta-data {'2' * 64}",
    "seed vendor-data missing",
]


def said(facts: list[str], digest: str | None = None, newline: str = "\r\n") -> str:
    """What comes over the port when the probe has found ``facts``."""
    lines = [f"isoforge-probe {fact}" for fact in facts]
    true_digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    whole = ["isoforge-probe begin 1", *lines, f"isoforge-probe end {digest or true_digest}"]
    return "[    1.0] Run /init as init process" + newline + newline.join(whole) + newline


def test_every_fact_is_read() -> None:
    report = parse_report(said(FACTS))
    assert report.kernel_line == "BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud;s=/cdrom/nocloud/web-1/ ---"
    assert (report.kernel, report.firmware, report.secure_boot) == ("6.8.0-31-generic", "uefi", "on")
    assert (report.medium, report.on_partition) == ("sda1", True)
    assert report.views == {"device": {"web-1/user-data": "1" * 64, "web two/meta-data": "2" * 64}, "partition": None}
    assert report.seed_folder == "/cdrom/nocloud/web-1/"
    assert report.seed == {"user-data": "1" * 64, "meta-data": "2" * 64, "vendor-data": None}


def test_no_medium_and_no_seed_are_said_so() -> None:
    report = parse_report(said(["kernel-line ---", "medium none", "seed-folder none", "module-failed isofs"]))
    assert (report.medium, report.on_partition, report.seed_folder, report.seed) == ("", False, "", {})
    assert report.failed_modules == ("isofs",)


def test_a_garbled_report_is_refused() -> None:
    with pytest.raises(ProofError, match="damaged"):
        parse_report(said(FACTS).replace("web-1/", "web-2/"))
    with pytest.raises(ProofError, match="damaged"):
        parse_report(said(FACTS, digest="0" * 64))


@pytest.mark.parametrize("serial", ["", "Kernel panic", said(FACTS)[:-40], "isoforge-probe end " + "0" * 64 + "\n"])
def test_no_report_is_a_failure(serial: str) -> None:
    with pytest.raises(ProofError, match="did not report"):
        parse_report(serial)


def test_it_is_complete_with_its_last_line_only() -> None:
    assert is_complete(said(FACTS))
    assert is_complete(said(FACTS, newline="\n"))
    assert not is_complete(said(FACTS)[:-10])
