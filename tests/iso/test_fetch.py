"""`isoforge fetch`: official ISOs from a mirror with the faults of real ones."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import signal
import stat
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoforge import fetch as recipe
from isoforge.errors import BaseIsoError, OutputError, UsageError
from isoforge.forge import multi
from isoforge.official import download as download_module
from isoforge.official import part as part_module
from isoforge.official import sums as sums_module
from isoforge.official.images import wanted
from isoforge.official.origin import Origin, cache_folder, keep_list, origin_of, own_list
from isoforge.official.sums import UBUNTU_KEY, SumsList
from isoforge.official.web import NetworkError, Redirects, Web
from isoforge.order import Order
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.inspect import inspect
from isoforge.proof.verify.verify import verify as verify_iso
from isoforge.run import run, running
from isoforge.selection import Selection
from isoforge.signature import SignatureError
from isoforge.workspace import Workspace
from tests.iso.conftest import Cli
from tests.iso.mirror import ISO, NAME, Fault, Mirror, Signer, dearmored, make_signer, revoke, serving, sums_of

HERE = Path(__file__).parent
SUMS_PATH = "24.04/SHA256SUMS"
ISO_PATH = f"24.04/{NAME}"
DIGEST = hashlib.sha256(ISO).hexdigest()
LISTS = {own_list(Path(NAME)).name, own_list(Path(NAME)).name + ".gpg"}


@pytest.fixture(scope="session")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Signer, Signer]]:
    """The key whose signatures count, and another one; short paths, as the agent's socket needs them."""
    home = tmp_path_factory.mktemp("gpg")
    short = Path("/tmp") / f"isoforge-gpg-{os.getpid()}"
    short.symlink_to(home)
    try:
        yield make_signer(short / "a"), make_signer(short / "b")
    finally:
        for name in ("a", "b"):
            run("gpgconf", "--homedir", short / name, "--kill", "gpg-agent")
        short.unlink()


@contextlib.contextmanager
def a_key(tmp_path: Path, name: str, **options: str) -> Iterator[Signer]:
    """A key of its own for one test."""
    short = Path("/tmp") / f"isoforge-gpg-{os.getpid()}-{name}"
    short.symlink_to(tmp_path)
    try:
        yield make_signer(short / name, **options)
    finally:
        run("gpgconf", "--homedir", short / name, "--kill", "gpg-agent")
        short.unlink()


@pytest.fixture
def signer(signers: tuple[Signer, Signer]) -> Signer:
    return signers[0]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = cache_folder()
    assert folder is not None
    return folder


@pytest.fixture
def mirror(signer: Signer) -> Iterator[Mirror]:
    """A mirror with one ISO and a signed list that also names an older one."""
    with serving() as mirror:
        text = sums_of(
            **{NAME.replace("04.4", "04.3"): b"older", NAME: ISO, NAME.replace("live-server", "desktop"): b"d"}
        )
        mirror.files = {SUMS_PATH: text, f"{SUMS_PATH}.gpg": signer.sign(text), ISO_PATH: ISO}
        yield mirror


Fetch = Callable[..., recipe.OfficialIso]


@pytest.fixture
def fetch(mirror: Mirror, signer: Signer, tmp_path: Path) -> Fetch:
    """Fetches 24.04 from the mirror into files/, with pauses of a moment."""

    def fetched(release: str = "24.04", *, url: str | None = None, pauses: int = 3) -> recipe.OfficialIso:
        return recipe.fetch(
            wanted(release),
            folder=tmp_path / "files",
            mirror=url or mirror.url,
            listen=lambda _phase, _done, _total: None,
            web=Web(timeout_s=5, pauses_s=[0.001] * pauses),
            key=signer.key,
        )

    return fetched


def names(tmp_path: Path) -> set[str]:
    folder = tmp_path / "files"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def the_part(tmp_path: Path) -> Path:
    (part,) = (tmp_path / "files").glob("*.part")
    return part


def check(tmp_path: Path, result: recipe.OfficialIso) -> None:
    """The ISO has its name and its content, and nothing else is there but its list."""
    assert result.iso == tmp_path / "files" / NAME
    assert result.iso.read_bytes() == ISO
    assert (result.name, result.sha256, result.size) == (NAME, DIGEST, len(ISO))
    assert names(tmp_path) == {NAME} | LISTS


# The shipped key


def test_shipped_key_is_the_one_of_that_fingerprint_and_the_only_one() -> None:
    output = run("gpg", "--with-colons", "--show-keys", UBUNTU_KEY.keyring)
    kinds = [line.split(":") for line in output.splitlines()]
    assert [fields[0] for fields in kinds if fields[0] in ("pub", "sub", "sec")] == ["pub"]
    assert [fields[9] for fields in kinds if fields[0] == "fpr"] == ["843938DF228D22F7B3742BC0D94AA3F0EFE21092"]


def real_list() -> SumsList:
    folder = HERE / "official"
    text, signature = (folder / "SHA256SUMS").read_bytes(), (folder / "SHA256SUMS.gpg").read_bytes()
    return SumsList(source="24.04/SHA256SUMS", text=text, signature=signature)


def test_list_of_february_2026_as_ubuntu_has_signed_it_is_accepted() -> None:
    real_list().require_signature()
    assert wanted("24.04").newest(real_list().digests) == NAME


def test_real_list_with_one_letter_changed_is_refused() -> None:
    real = real_list()
    changed = SumsList(source=real.source, text=real.text.replace(b"e907", b"e908"), signature=real.signature)
    with pytest.raises(SignatureError, match="BAD signature"):
        changed.require_signature()


# What is downloaded


def test_newest_point_release_is_downloaded(fetch: Fetch, tmp_path: Path, mirror: Mirror, cache: Path) -> None:
    result = fetch()
    check(tmp_path, result)
    assert result.downloaded
    assert stat.S_IMODE(result.iso.stat().st_mode) == 0o644
    assert [path for path, _ in mirror.requests] == [SUMS_PATH, f"{SUMS_PATH}.gpg", ISO_PATH]
    assert len(list(cache.iterdir())) == 2


def test_second_call_reads_the_iso_and_downloads_nothing(fetch: Fetch, tmp_path: Path, mirror: Mirror) -> None:
    before = fetch().iso.stat()
    result = fetch()
    check(tmp_path, result)
    assert not result.downloaded
    assert result.iso.stat() == before or result.iso.stat().st_mtime_ns == before.st_mtime_ns
    assert len(mirror.asked(NAME)) == 1


def test_second_call_for_a_point_release_needs_no_network(fetch: Fetch, tmp_path: Path, mirror: Mirror) -> None:
    first = fetch("24.04.4")
    mirror.requests.clear()
    result = fetch("24.04.4")
    check(tmp_path, result)
    assert (mirror.requests, result.downloaded) == ([], False)
    first.iso.write_bytes(ISO[:-1])
    with pytest.raises(BaseIsoError, match="already exists and is not the official ISO"):
        fetch("24.04.4")


def test_existing_file_with_another_content_is_not_replaced(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / NAME).write_bytes(ISO[:-1])
    with pytest.raises(BaseIsoError, match="already exists and is not the official ISO"):
        fetch()
    assert (tmp_path / "files" / NAME).read_bytes() == ISO[:-1]


def test_exact_release_is_found_in_its_own_folder(fetch: Fetch, mirror: Mirror, signer: Signer, tmp_path: Path) -> None:
    name = NAME.replace("04.4", "04.2")
    text = sums_of(**{name: b"two"})
    mirror.files |= {
        "24.04.2/SHA256SUMS": text,
        "24.04.2/SHA256SUMS.gpg": signer.sign(text),
        f"24.04.2/{name}": b"two",
    }
    assert fetch("24.04.2").iso == tmp_path / "files" / name
    with pytest.raises(BaseIsoError, match=r"no Ubuntu 24.04.9 live-server for amd64 in the list"):
        fetch("24.04.9")


def test_proxy_of_the_environment_is_used(
    fetch: Fetch, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files = {f"http://mirror.example.org/{path}": content for path, content in mirror.files.items()}
    monkeypatch.setenv("http_proxy", mirror.url)
    check(tmp_path, fetch(url="http://mirror.example.org"))


def test_no_proxy_is_used_for_the_servers_that_no_proxy_names(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://ops:geheim@127.0.0.1:1")
    with pytest.raises(NetworkError, match="Connection refused") as failure:
        fetch()
    assert "geheim" not in failure.value.message + failure.value.hint
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    check(tmp_path, fetch())


def test_mirror_may_be_a_folder_of_its_server(fetch: Fetch, tmp_path: Path, mirror: Mirror) -> None:
    mirror.files = {f"pub/ubuntu-releases/{path}": content for path, content in mirror.files.items()}
    check(tmp_path, fetch(url=f"{mirror.url}/pub/ubuntu-releases"))


def test_redirects_are_followed_but_not_to_files(fetch: Fetch, tmp_path: Path, mirror: Mirror) -> None:
    mirror.faults[ISO_PATH] = Fault(redirect=f"{mirror.url}/elsewhere.iso")
    mirror.files["elsewhere.iso"] = ISO
    check(tmp_path, fetch())
    (tmp_path / "files" / NAME).unlink()
    for target in ("file:///etc/passwd", "ftp://192.0.2.1/x.iso", f"{mirror.url}/{ISO_PATH}"):
        mirror.faults[ISO_PATH] = Fault(redirect=target)
        with pytest.raises(NetworkError):
            fetch()
    assert names(tmp_path) == LISTS


def test_redirect_from_https_to_http_is_refused() -> None:
    request = urllib.request.Request("https://mirror.example.org/24.04/SHA256SUMS")

    def followed(url: str) -> str:
        redirect = Redirects().redirect_request(request, io.BytesIO(), 302, "Found", {}, url)
        return str(redirect.full_url)

    assert followed("https://other.example.org/x") == "https://other.example.org/x"
    with pytest.raises(NetworkError, match="redirects from https to http") as failure:
        followed("http://mirror.example.org/24.04/SHA256SUMS")
    assert "--mirror" in failure.value.hint


def test_server_that_sends_without_end_does_not_fill_the_disk(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MAX_BYTES", len(ISO) - 1)
    with pytest.raises(NetworkError, match="sends more than any ISO has"):
        fetch()
    assert names(tmp_path) == set()


# Lists that do not count


def test_list_signed_by_another_key_is_refused(
    fetch: Fetch, mirror: Mirror, signers: tuple[Signer, Signer], tmp_path: Path
) -> None:
    mirror.files[f"{SUMS_PATH}.gpg"] = signers[1].sign(mirror.files[SUMS_PATH])
    with pytest.raises(BaseIsoError, match="no valid signature"):
        fetch()
    assert names(tmp_path) == set()


def test_good_signature_of_another_key_in_the_keyring_is_refused(
    signers: tuple[Signer, Signer], tmp_path: Path
) -> None:
    one, other = signers
    keyring = tmp_path / "both.gpg"
    keyring.write_bytes(one.key.keyring.read_bytes() + other.key.keyring.read_bytes())
    key = sums_module.SigningKey(fingerprint=one.key.fingerprint, keyring=keyring)
    good = SumsList(source="list", text=b"x\n", signature=one.sign(b"x\n"))
    good.require_signature(key)
    foreign = SumsList(source="list", text=b"x\n", signature=other.sign(b"x\n"))
    with pytest.raises(SignatureError, match=f"signed by the key {other.key.fingerprint}"):
        foreign.require_signature(key)


def test_signature_that_has_expired_is_refused(signer: Signer) -> None:
    words = ("--faked-system-time", "20260102T000000!", "--default-sig-expire", "1d")
    expired = SumsList(source="list", text=b"x\n", signature=signer.sign(b"x\n", *words))
    with pytest.raises(SignatureError, match="expired"):
        expired.require_signature(signer.key)


def test_key_that_has_expired_or_was_revoked_signs_nothing(tmp_path: Path) -> None:
    with a_key(tmp_path, "c", expires="1d") as expiring:
        at_that_time = expiring.sign(b"x\n", "--faked-system-time", "20260101T010000!")
        with pytest.raises(SignatureError, match="its key has expired"):
            SumsList(source="list", text=b"x\n", signature=at_that_time).require_signature(expiring.key)
    with a_key(tmp_path, "d") as revoked:
        before = SumsList(source="list", text=b"x\n", signature=revoked.sign(b"x\n"))
        before.require_signature(revoked.key)
        with pytest.raises(SignatureError, match=r"its key was revoked|no valid signature"):
            before.require_signature(revoke(revoked))


def test_list_with_a_second_signature_is_refused(signers: tuple[Signer, Signer]) -> None:
    one, other = signers
    text = b"x\n"
    for second in (one.sign(text), other.sign(text)):
        both = dearmored(one, one.sign(text)) + dearmored(one, second)
        with pytest.raises(SignatureError, match="no valid signature"):
            SumsList(source="list", text=text, signature=both).require_signature(one.key)


def test_truncated_list_is_refused(fetch: Fetch, mirror: Mirror) -> None:
    mirror.files[SUMS_PATH] = mirror.files[SUMS_PATH][:-40]
    with pytest.raises(BaseIsoError, match="BAD signature"):
        fetch()


def test_list_whose_connection_is_cut_is_read_again(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[SUMS_PATH] = Fault(cut=[20, 50])
    check(tmp_path, fetch())


@pytest.mark.parametrize("path", [SUMS_PATH, ISO_PATH])
def test_page_of_a_captive_portal_is_reported_as_such(fetch: Fetch, mirror: Mirror, tmp_path: Path, path: str) -> None:
    mirror.files[path] = b"<html>Log in"
    mirror.faults[path] = Fault(content_type="text/html; charset=utf-8")
    with pytest.raises(NetworkError, match="the answer is a web page") as failure:
        fetch()
    assert "captive portal" in failure.value.hint
    assert names(tmp_path) == set()


def test_release_that_the_mirror_does_not_have(fetch: Fetch) -> None:
    with pytest.raises(NetworkError, match=r"26.04/SHA256SUMS does not exist \(HTTP status 404\)"):
        fetch("26.04")


def test_mirror_that_cannot_be_reached_is_one_attempt(fetch: Fetch) -> None:
    with pytest.raises(NetworkError, match="Connection refused") as failure:
        fetch(url="http://127.0.0.1:1")
    assert "https_proxy" in failure.value.hint


# Downloads that are cut


def test_cut_download_continues_where_it_stopped(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1_000_000, 500_000])
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == ["", "bytes=1000000-", "bytes=1500000-"]


def test_download_that_is_cut_too_often_keeps_its_part_for_the_next_call(
    fetch: Fetch, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1000] * 3)
    with pytest.raises(NetworkError, match="closed after 3000 of 3263000 bytes, after 3 attempts") as failure:
        fetch(pauses=2)
    assert "continues where it stopped" in failure.value.hint
    part = the_part(tmp_path)
    assert names(tmp_path) == {part.name}
    assert part.read_bytes() == ISO[:3000]
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    mirror.requests.clear()
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == ["", "bytes=3000-"]


def test_progress_makes_the_attempts_begin_again(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1 << 20, 1000, 1 << 20, 1000])
    check(tmp_path, fetch(pauses=2))


def test_busy_server_is_asked_again(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[SUMS_PATH] = Fault(status=[503])
    mirror.faults[ISO_PATH] = Fault(status=[500, 429])
    check(tmp_path, fetch())


def test_server_without_ranges_brings_what_the_part_lacks(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[2_000_000], has_ranges=False)
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == ["", "bytes=2000000-"]


def test_file_that_changes_meanwhile_is_begun_again(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    old = b"\xff" * len(ISO)
    mirror.files[ISO_PATH] = old
    mirror.faults[ISO_PATH] = Fault(cut=[1_000_000], then=ISO)
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == ["", "bytes=1000000-", ""]


def test_part_of_another_version_is_not_continued_by_a_later_call(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files[ISO_PATH] = b"\xff" * len(ISO)
    mirror.faults[ISO_PATH] = Fault(cut=[1000], date="Wed, 11 Feb 2026 14:46:22 GMT")
    with pytest.raises(NetworkError):
        fetch(pauses=0)
    the_part(tmp_path)
    mirror.files[ISO_PATH] = ISO
    mirror.faults.clear()
    mirror.requests.clear()
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == [""]


def test_damaged_part_costs_a_second_download_but_never_gets_the_name(
    fetch: Fetch, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1000])
    with pytest.raises(NetworkError):
        fetch(pauses=0)
    the_part(tmp_path).write_bytes(b"\0" * 1000)
    mirror.requests.clear()
    check(tmp_path, fetch())
    assert mirror.asked(NAME) == ["", "bytes=1000-", ""]


def test_damaged_file_on_the_mirror_is_refused_and_not_kept(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.files[ISO_PATH] = ISO[:-1] + b"!"
    with pytest.raises(BaseIsoError, match="is not the official ISO: SHA-256"):
        fetch()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("length", [len(ISO) + 100, len(ISO) - 100])
def test_wrong_length_never_makes_an_iso(fetch: Fetch, mirror: Mirror, tmp_path: Path, length: int) -> None:
    mirror.faults[ISO_PATH] = Fault(length=length)
    with pytest.raises((NetworkError, BaseIsoError)):
        fetch()
    assert NAME not in names(tmp_path)


# The disk


def test_full_disk_is_an_error_that_keeps_the_part(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def full(handle: int, content: bytes, offset: int) -> int:
        if offset + len(content) > 1_500_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, content, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match="No space left on device") as failure:
        fetch()
    assert "continues where it stopped" in failure.value.hint
    assert 0 < the_part(tmp_path).stat().st_size <= 1_500_000
    monkeypatch.undo()


def test_disk_without_room_is_reported_before_the_download(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputError, match="not enough space for the ISO"):
        fetch()
    assert names(tmp_path) == set()


def test_part_that_is_a_symlink_is_not_written_through(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1000])
    with pytest.raises(NetworkError):
        fetch(pauses=0)
    part = the_part(tmp_path)
    part.unlink()
    (tmp_path / "victim").write_bytes(b"mine")
    part.symlink_to(tmp_path / "victim")
    mirror.faults.clear()
    with pytest.raises(OutputError):
        fetch()
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_second_process_is_refused_while_the_first_one_downloads(fetch: Fetch, mirror: Mirror, tmp_path: Path) -> None:
    mirror.faults[ISO_PATH] = Fault(cut=[1000])
    with pytest.raises(NetworkError):
        fetch(pauses=0)
    mirror.faults.clear()
    with part_module.opened(the_part(tmp_path)), pytest.raises(OutputError, match="another process is downloading"):
        fetch()
    check(tmp_path, fetch())


# --verify, and what the lists say


def verify(iso: Path, signer: Signer, mirror: Mirror | None) -> recipe.OfficialIso:
    return recipe.verify(
        iso,
        mirror=mirror.url if mirror else "http://127.0.0.1:1",
        listen=lambda _phase, _done, _total: None,
        web=Web(timeout_s=5, pauses_s=[]),
        key=signer.key,
    )


def test_verify_asks_the_mirror_and_from_then_on_nobody(tmp_path: Path, signer: Signer, mirror: Mirror) -> None:
    iso = tmp_path / NAME
    iso.write_bytes(ISO)
    assert verify(iso, signer, mirror).source == f"{mirror.url}/{SUMS_PATH}"
    offline = verify(iso, signer, None)
    assert (offline.name, offline.sha256, offline.downloaded) == (NAME, DIGEST, False)


def test_verify_without_network_uses_the_list_beside_the_iso(tmp_path: Path, signer: Signer, mirror: Mirror) -> None:
    iso = tmp_path / "renamed.iso"
    iso.write_bytes(ISO)
    (tmp_path / "SHA256SUMS").write_bytes(mirror.files[SUMS_PATH])
    (tmp_path / "SHA256SUMS.gpg").write_bytes(mirror.files[f"{SUMS_PATH}.gpg"])
    assert verify(iso, signer, None).name == NAME


def test_verify_refuses_what_is_not_official(tmp_path: Path, signer: Signer, mirror: Mirror) -> None:
    iso = tmp_path / NAME
    iso.write_bytes(ISO + b"!")
    with pytest.raises(BaseIsoError, match=r"its SHA-256 .* differs"):
        verify(iso, signer, mirror)
    with pytest.raises(NetworkError, match="Connection refused") as failure:
        verify(iso, signer, None)
    assert "SHA256SUMS.gpg" in failure.value.hint
    other = tmp_path / NAME.replace("04.4", "04.9")
    other.write_bytes(b"nine")
    with pytest.raises(BaseIsoError, match="is not a known official ISO"):
        verify(other, signer, mirror)
    stranger = tmp_path / "my.iso"
    stranger.write_bytes(b"mine")
    with pytest.raises(BaseIsoError, match="neither its name nor its volume id"):
        verify(stranger, signer, mirror)
    with pytest.raises(BaseIsoError, match="does not exist"):
        verify(tmp_path / "absent.iso", signer, mirror)


def test_origin_is_what_the_lists_beside_the_iso_say(tmp_path: Path, signer: Signer, mirror: Mirror) -> None:
    iso = tmp_path / NAME
    signed = SumsList(source="", text=mirror.files[SUMS_PATH], signature=mirror.files[f"{SUMS_PATH}.gpg"])

    def origin(digest: str | None = DIGEST) -> Origin:
        return origin_of(iso, digest, key=signer.key).origin

    assert origin() is Origin.UNKNOWN
    (tmp_path / "SHA256SUMS").write_bytes(signed.text)
    assert origin() is Origin.LISTED
    assert origin("0" * 64) is Origin.UNKNOWN
    keep_list(signed, own_list(iso))
    assert origin() is Origin.OFFICIAL
    assert origin("0" * 64) is Origin.MODIFIED
    assert origin(None) is Origin.UNKNOWN
    assert origin_of(iso, DIGEST).origin is Origin.LISTED  # Ubuntu's key has not signed this list


# The base ISO of a build


@pytest.mark.parametrize(
    ("names", "is_signed", "origin", "words"),
    [
        (["BASE"], True, "official", "official: renamed.iso in the SHA256SUMS that Ubuntu has signed"),
        (["BASE"], False, "listed", "not proven: renamed.iso in a SHA256SUMS without a valid signature"),
        (["other"], True, "modified", "MODIFIED: not the base.iso in the SHA256SUMS that Ubuntu has signed"),
        ([], True, "unknown", "unknown: no SHA256SUMS contains it"),
    ],
)
def test_build_records_whether_its_base_is_official(
    names: list[str], is_signed: bool, origin: str, words: str, fleet: Path, noble: Path,
    signers: tuple[Signer, Signer],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    base = fleet / "base.iso"
    shutil.copy(noble, base)
    contents = {"BASE": {"renamed.iso": base.read_bytes()}, "other": {"base.iso": b""}}
    text = b"".join(sums_of(**contents[name]) for name in names)
    (fleet / "SHA256SUMS").write_bytes(text)
    (fleet / "SHA256SUMS.gpg").write_bytes(signers[0 if is_signed else 1].sign(text))
    monkeypatch.setattr(sums_module, "shipped_key", lambda: signers[0].key)
    order = Order(
        workspace=Workspace(baremetal=fleet / "baremetal"),
        selection=Selection(hosts=("site-a-m710q1",)),
        name="n",
        base_iso=base,
        render=True,
    )
    result = multi(order)
    facts = result.manifest.base_iso
    assert facts.origin == origin
    assert Manifest.from_file(result.manifest_file) == result.manifest
    assert words in result.summary.read_text()
    assert inspect(result.iso).base_origin == origin
    assert ("is not the official ISO of that name" in caplog.text) == (origin == "modified")
    inside = inspect(result.iso).manifest
    assert inside is not None
    assert (inside.base_iso.origin, inside.base_iso.official_name) == (None, None)
    assert [check.faults for check in verify_iso(result.iso, base=base) if check.faults] == []


# The command


def test_command_verifies_by_the_shipped_key(cli: Cli, fleet: Path) -> None:
    (fleet / "files").mkdir()
    iso = fleet / "files" / NAME
    iso.write_bytes(b"not it")
    for name in ("SHA256SUMS", "SHA256SUMS.gpg"):
        shutil.copy(HERE / "official" / name, fleet / "files" / name)
    outcome = cli("fetch", "--verify", iso, "--mirror", "http://127.0.0.1:1")
    assert (outcome.code, outcome.out) == (5, "")
    assert f"error: {iso} is not the official ISO: its SHA-256" in outcome.err


def test_command_ends_with_6_for_the_network_and_leaves_nothing(cli: Cli, fleet: Path) -> None:
    outcome = cli("fetch", "24.04", "--mirror", "http://127.0.0.1:1")
    assert (outcome.code, outcome.err.count("\n")) == (6, 2)
    assert outcome.err.startswith("error: http://127.0.0.1:1/24.04/SHA256SUMS: Connection refused\nhint: ")
    assert not (fleet / "files").exists()


@pytest.mark.parametrize(
    "words",
    ["fetch", "fetch 24.05", "fetch 20.04", "fetch 24.04 --arch mips", "fetch 24.04 --mirror releases.ubuntu.com",
     "fetch 24.04 --mirror http://user:secret@192.0.2.1/", "fetch 23.10 --desktop", "fetch 24.04 --verify x.iso",
     "fetch 24.04 --desktop --arch arm64+largemem"],
)  # fmt: skip
def test_invalid_command_ends_with_2_before_any_request(cli: Cli, words: str) -> None:
    outcome = cli(*words.split())
    assert outcome.code == 2
    assert "secret" not in outcome.err


def test_interrupted_download_leaves_a_part_that_is_continued(
    mirror: Mirror, signer: Signer, fetch: Fetch, tmp_path: Path
) -> None:
    event = threading.Event()
    mirror.faults[ISO_PATH] = Fault(cut=[len(ISO) // 2], wait=event)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from isoforge.official import sums\n"
        f"key = sums.SigningKey(fingerprint={signer.key.fingerprint!r}, keyring=Path({str(signer.key.keyring)!r}))\n"
        "sums.shipped_key = lambda: key\n"
        f"sys.argv = ['isoforge', 'fetch', '24.04', '--mirror', {mirror.url!r}, '--folder', 'files']\n"
        "from isoforge.cli.main import main\n"
        "main()\n"
    )
    with running(sys.executable, "-c", script, cwd=tmp_path, env={"PYTHONPATH": str(HERE.parents[1])}) as child:
        deadline = time.monotonic() + 20
        while not list((tmp_path / "files").glob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        os.kill(child.pid, signal.SIGINT)
        with pytest.raises(Exception, match="interrupted") as failure:
            child.wait(20)
        assert getattr(failure.value, "status", None) == 130
    event.set()
    assert names(tmp_path) == {the_part(tmp_path).name}
    assert ISO.startswith(the_part(tmp_path).read_bytes())
    mirror.faults.clear()
    check(tmp_path, fetch())


def test_usage_error_names_the_supported_architectures() -> None:
    with pytest.raises(UsageError, match="choose from amd64, arm64, arm64\\+largemem"):
        wanted("24.04", arch="riscv64")
