"""The report's script as dash runs it, on trees that look like an installer's live system."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.fleet.seed.report import Receiver, report_command
from isoforge.fleet.seed.scripts import script
from isoforge.run import run
from isoforge.seed_format import REPORT, call_text
from tests.conftest import ROOT
from tests.iso.tool_sets import BUSYBOX_ALONE, ToolSet, every_tool_set

TEMPLATES = [ROOT / "templates"]
HOST = "site-a-m710q1"
LOG = "var/log/installer/subiquity-server-debug.log"
CURTIN = "var/log/installer/curtin-install.log"
FAILED = """\
2026-01-02 03:04:05,678 DEBUG root:39 start: subiquity/Early/run/command_0: sh -c guard
2026-01-02 03:04:06,678 DEBUG root:39 finish: subiquity/Early/run/command_0: SUCCESS: sh -c guard
2026-01-02 03:04:07,678 DEBUG root:39 start: subiquity/Install/install/curtin_install/partitioning: step
2026-01-02 03:04:08,678 DEBUG root:39 finish: subiquity/Install/install/curtin_install/partitioning: FAIL: no disk
2026-01-02 03:04:08,679 DEBUG root:39 finish: subiquity/Install/install: FAIL: no disk
"""
KEYS = ["schema_version", "id", "build", "host", "state", "step", "time", "started_at", "duration_s", "machine",
        "addresses", "disks", "release", "kernel", "installer"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Live:
    """A tree with the parts of a live system that the script looks at, and the tools of that system."""

    root: Path
    tools: ToolSet

    def put(self, path: str, content: str | bytes = "") -> Path:
        """Let the live system have the file at ``path``."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return place

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()

    def command(
        self, mode: str, receiver: Receiver | None = None, *, step_s: float = 5, text: str = "", lay_out: bool = True
    ) -> Any:
        """The command of a seed, ready to start with this live system's tools alone."""
        tools = self.root.parent / "tools"
        if lay_out:
            self.tools.lay_out(tools)
        words = report_command(mode, HOST, receiver or Receiver(timeout_s=20), TEMPLATES)
        words[2] = text or words[2]
        env = {"PATH": str(tools), "ISOFORGE_ROOT": str(self.root), "ISOFORGE_STEP_S": str(step_s)}
        program: Any = sh.Command(str(tools / words[0]))
        return program.bake(*words[1:], _env=env, _in="", _tty_out=False, _ok_code=list(range(256)), _return_cmd=True)

    def report(self, mode: str, receiver: Receiver | None = None, **more: Any) -> dict[str, Any]:
        """Run the command to its end, and return what it reports."""
        assert self.command(mode, receiver, **more)().exit_code == 0
        return self.document(mode)

    def document(self, mode: str) -> dict[str, Any]:
        text = self.text(f"run/isoforge/report.{mode}/report")
        assert text.endswith("}\n")
        assert text.count("\n") == 1
        return dict(json.loads(text))


@pytest.fixture(params=every_tool_set())
def live(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Live]:
    """A live system whose medium has the script and whose consoles are plain files."""
    live = Live(root=tmp_path / "live", tools=replace(request.param, more=("ip", "python3")))
    live.put("cdrom/isoforge/build", "0123456789ab\n")
    live.put("proc/uptime", "840.12 1600.00\n")
    live.put("proc/sys/kernel/random/uuid", "00112233-4455-6677-8899-aabbccddeeff\n")
    live.put("sys/class/dmi/id/product_serial", "PC0EXMP1\n")
    live.put("sys/class/dmi/id/product_name", "  ThinkCentre M710q  \n")
    live.put("sys/class/net/lo/address", "00:00:00:00:00:00\n")
    live.put("sys/class/net/eth0/address", "00:00:5e:00:53:01\n")
    live.put("sys/class/tty/console/active", "tty0 ttyS0\n")
    for console in ("tty0", "tty1", "tty6", "ttyS0", "ttyS1", "console"):
        live.put(f"dev/{console}")
    for name, dev, serial in (("nvme0n1", "259:0", "Example_1"), ("loop0", "7:0", "loop")):
        live.put(f"sys/block/{name}/size", "1000215216\n")
        live.put(f"sys/block/{name}/dev", f"{dev}\n")
        live.put(f"sys/block/{name}/device/model", "Example Disk        \n")
        live.put(f"run/udev/data/b{dev}", f"E:ID_MODEL=x\nE:ID_SERIAL={serial}\nE:ID_SERIAL_SHORT=1\n")
    live.put("target/etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n')
    live.put("target/boot/vmlinuz-6.8.0-1-generic")
    live.put("snap/subiquity/current/meta/snap.yaml", "name: subiquity\nversion: 24.04.1\n")
    (live.root / "target/var/log").mkdir(parents=True)
    yield live
    assert left_by(live) == []


def left_by(live: Live) -> list[str]:
    """The processes that a report has left behind, which are ended."""
    deadline = time.monotonic() + 5
    while (left := processes_of(live)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return [str(process) for process in left]


def processes_of(live: Live) -> list[int]:
    """The processes whose environment names the root of ``live``."""
    wanted, found = f"ISOFORGE_ROOT={live.root}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def test_a_success_says_what_was_installed_on_which_machine(live: Live) -> None:
    report = live.report("end")
    assert list(report) == KEYS
    assert (report["state"], report["host"], report["build"]) == ("installed", HOST, "0123456789ab")
    assert report["machine"] == {
        "serial": "PC0EXMP1", "uuid": "", "product": "ThinkCentre M710q", "asset_tag": "", "baseboard_serial": "",
        "mac": ["00:00:5e:00:53:01"],
    }  # fmt: skip
    assert report["disks"] == [
        {"name": "nvme0n1", "serial": "Example_1", "model": "Example Disk", "size": 1000215216 * 512}
    ]
    assert report["release"] == "Ubuntu 24.04.3 LTS"
    assert report["kernel"] == "6.8.0-1-generic"
    assert report["installer"] == "24.04.1"
    assert report["duration_s"] == 840
    assert all(re.fullmatch(r"eth\d+ \S+|\S+ \S+", one) for one in report["addresses"])


def test_a_success_is_on_every_console_and_on_the_installed_system(live: Live) -> None:
    live.report("end")
    line = f"  {HOST} INSTALLED, 14 min"
    for console in ("tty1", "tty6", "ttyS0"):
        assert f"{line}\r\n" in live.text(f"dev/{console}")
    assert "\x1b" not in live.text("dev/ttyS0")  # what logs a serial port needs no colours
    assert live.text("dev/tty0") == live.text("dev/ttyS1") == ""  # something else may listen there, as a UPS
    assert f"{line}\n" in live.text("target/var/log/isoforge/report.txt")
    assert json.loads(live.text("target/var/log/isoforge/report.json")) == live.document("end")


def test_a_serial_port_that_is_no_console_gets_the_page_on_request(live: Live) -> None:
    live.report("end", Receiver(timeout_s=20, serial="ttyS1"))
    assert "INSTALLED" in live.text("dev/ttyS1")


def test_a_failure_says_at_which_step_and_why(live: Live) -> None:
    live.put(LOG, FAILED)
    report = live.report("error")
    assert list(report) == [*KEYS, "reason", "log"]
    assert (report["state"], report["step"], report["reason"]) == ("failed", "storage", "no disk")
    assert report["log"] == FAILED.splitlines()
    assert f"  {HOST} FAILED at storage, after 14 min\r\n  no disk\r\n" in live.text("dev/ttyS0")
    assert not (live.root / "target/var/log/isoforge").exists()


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ("subiquity/Early/run/command_1", "early-commands"),
        ("subiquity/Late/run/command_0", "late-commands"),
        ("subiquity/Network/apply_autoinstall_config", "network"),
        ("subiquity/Filesystem/_probe", "storage"),
        ("cmd-install/stage-partitioning/builtin/cmd-block-meta", "storage"),
        ("cmd-install/stage-extract/builtin/cmd-extract", "copying the system"),
        ("cmd-install/stage-curthooks/builtin/cmd-curthooks", "boot loader and kernel"),
        ("subiquity/Install/install/postinstall/install_openssh-server", "packages"),
        ("subiquity/Xyz/load", "Xyz/load"),
    ],
)
def test_steps_have_the_names_that_people_use(live: Live, event: str, step: str) -> None:
    live.put(LOG, f"2026 DEBUG root:39 finish: {event}: FAIL: it failed\n")
    assert live.report("error")["step"] == step


def test_a_refusal_of_the_guard_is_the_reason_and_stays_on_the_screen(live: Live) -> None:
    live.put("run/isoforge/refusal", "\nisoforge: STOPPED. This machine is not host x.\n\nWhat to do: restart\n")
    live.put(LOG, "DEBUG finish: subiquity/Early/run/command_0: FAIL: Command '['sh']' returned non-zero\n")
    report = live.report("error")
    assert (report["step"], report["reason"]) == ("checking the machine", "This machine is not host x.")
    assert "What to do: restart\r\n" in live.text("dev/tty1")


def test_the_crash_file_tells_what_no_log_does(live: Live) -> None:
    live.put("var/crash/1700000000.123.block_probe_fail.crash", "ProblemType: Bug\nTitle: block probing crashed\n")
    report = live.report("error")
    assert (report["step"], report["reason"]) == ("storage", "block probing crashed")
    assert "Title: block probing crashed" in report["log"]


def test_without_any_log_a_failure_is_reported_all_the_same(live: Live) -> None:
    report = live.report("error")
    assert (report["step"], report["reason"], report["log"]) == ("unknown", "", [])
    assert "FAILED at unknown" in live.text("dev/ttyS0")


EVERY_BYTE = bytes(byte for byte in range(1, 256) if byte != 10)


def test_any_byte_is_escaped(live: Live) -> None:
    live.put("sys/class/dmi/id/product_name", b"x" + EVERY_BYTE + b"x\n")
    product = live.report("end")["machine"]["product"]
    expected = "x" + EVERY_BYTE.decode("utf-8", errors="replace") + "x"
    assert [re.sub("\ufffd+", "?", one) for one in (product, expected)] == [expected.rstrip("\ufffdx") + "?x"] * 2
    assert product.count("\ufffd") == 128


UTF_8 = ["é", "\u20ac", "\U0001f600", "\u07ff", "\ufffd", "\ud7ff", "\ue000"]
NOT_UTF_8 = [
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xe2\x82",
    b"\xff",
]


def test_text_in_utf_8_stays_and_other_bytes_do_not(live: Live) -> None:
    live.put("sys/class/dmi/id/product_name", b" | ".join([*(one.encode() for one in UTF_8), *NOT_UTF_8]) + b"\n")
    parts = live.report("end")["machine"]["product"].split(" | ")
    assert parts[: len(UTF_8)] == UTF_8
    assert all(set(one) == {"\ufffd"} for one in parts[len(UTF_8) :])


def test_a_nul_in_a_log_ends_nothing(live: Live) -> None:
    live.put(LOG, FAILED.encode() + b"\0\0\0 torn \0 line\n")
    report = live.report("error")
    assert report["step"] == "storage"
    if live.tools.name != "busybox":  # its tail and cut end a line there
        assert report["log"][-1] == "\ufffd\ufffd\ufffd torn \ufffd line"


SECRETS = [
    "password: {}",
    "'password': '{}', 'user': 'ops'",
    '{{"token": "{}", "x": 1}}',
    "psk={}",
    "wifi-password: {} and more",
    "PASSWORD={}",
    '  passphrase:   "{}"',
    "api_key = {}",
    "luks-key: {}",
    "'key': '{}'",
    "key: {}",
    "export API_TOKEN={}",
    "curl -H 'Authorization: Bearer {}' https://example.org",
    "Authorization: Basic {}",
    "https://ops:{}@example.org/x",
    "https://{}@example.org/x",
    "--password {} --user ops",
    "--token={}",
    "['cmd', '--passphrase', '{}']",
    "echo 'ops:{}' | chpasswd",
    "sshpass -p {} ssh host",
    "echo -n {} | cryptsetup luksOpen /dev/sda2 x",
    "wpa_passphrase net {}",
    "u'password': u'{}'",
    "password: 'it\\'s {}'",
    'secret: "a \\" {}"',
    "password:\\n{}",
    "machine example.org login ops password {}",
    "token => {}",
    "passwords: [{}, b]",
]
HASHES = [
    "$6$saltsalt$" + "a1B2" * 20,
    "$y$j9T$saltsalt$" + "a1B2" * 10,
    "$2b$12$" + "a1B2" * 13,
    "$1$salt$hash",
    "grub.pbkdf2.sha512.10000.AB12CD.EF34",
    "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQ",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-na_ture",
    "C123456789abcdefghijkmnop",
    "0123456789abcdef0123456789abcdef",
    "hvs.abcdefghijklmn",
]


def test_secrets_are_masked_in_the_last_lines(live: Live) -> None:
    lines = [*(one.format("hunter2-X") for one in SECRETS), *(f"value {one} end" for one in HASHES)]
    for start in range(0, len(lines), 20):
        live.put(LOG, "\n".join(lines[start : start + 20]) + "\n")
        log = live.report("error")["log"]
        assert len(log) == len(lines[start : start + 20])
        for line, masked in zip(lines[start:], log, strict=False):
            assert "hunter2" not in masked, line
            assert not any(one in masked for one in HASHES), line
            assert "***" in masked, line


def test_what_stands_around_a_secret_stays(live: Live) -> None:
    live.put(
        LOG, "'password': '$6$a$b', 'user': 'ops'\nkeyboard: us\nhttps://a:b@example.org/x failed\ndisk sda: full\n"
    )
    assert live.report("error")["log"] == [
        "'password': ***, 'user': 'ops'",
        "keyboard: us",
        "https://***@example.org/x failed",
        "disk sda: full",
    ]


def test_a_private_key_is_masked_whole_and_so_is_a_value_on_the_next_line(live: Live) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nshort\n-----END OPENSSH PRIVATE KEY-----\n"
    live.put(LOG, f"before\n{key}after\npassword: |\n  hunter2\nend\n")
    log = live.report("error")["log"]
    assert log == ["before", "***", "***", "***", "***", "after", "password:", "***", "end"]


def test_the_reason_is_masked_too(live: Live) -> None:
    live.put(LOG, "x finish: subiquity/Late/run/command_0: FAIL: curl https://ops:hunter2@example.org\n")
    assert live.report("error")["reason"] == "curl https://***@example.org"
    assert "hunter2" not in live.text("dev/tty1")


def test_the_log_is_limited_in_lines_and_in_bytes(live: Live) -> None:
    live.put(LOG, "".join(f"line {number} {'x y ' * 300}\n" for number in range(1000)))
    live.put(CURTIN, b"x " * 1_000_000)
    log = live.report("error")["log"]
    assert len(log) <= 81
    assert max(map(len, log)) <= 400
    assert log[39].startswith("line 999 ")


def test_the_virtio_port_gets_the_report_on_a_line(live: Live) -> None:
    port = live.put("dev/virtio-ports/org.isoforge.report")
    live.report("end")
    assert json.loads(port.read_text()) == live.document("end")


def test_busybox_may_be_the_shell_too(live: Live) -> None:
    alone = replace(live, tools=replace(BUSYBOX_ALONE, more=("ip", "python3")))
    live.put(LOG, FAILED)
    assert alone.report("error")["step"] == "storage"


@pytest.mark.parametrize("on_medium", [True, False])
def test_a_seed_on_an_iso_runs_the_script_of_the_medium_and_misses_nothing_without_it(
    live: Live, on_medium: bool
) -> None:
    if on_medium:
        live.put(f"cdrom/isoforge/scripts/{REPORT}", script(REPORT, HOST, TEMPLATES))
    (live.root / "dev/ttyS0").write_bytes(b"")
    assert live.command("end", text=call_text(REPORT, ""))().exit_code == 0
    assert ("INSTALLED" in live.text("dev/ttyS0")) is on_medium


@pytest.mark.parametrize("missing", ["sleep", "timeout", "sed", "date", "dd", "tail"])
def test_where_a_tool_is_missing_the_script_ends_in_time(live: Live, missing: str) -> None:
    live.put("cdrom/isoforge/report/token", "t0ken")
    live.command("end")  # lays out the tools
    (live.root.parent / "tools" / missing).unlink()
    command = live.command("end", Receiver(timeout_s=3, url="http://127.0.0.1:9/"), lay_out=False)
    assert command().exit_code == 0
    assert left_by(live) == []


def test_nothing_writable_fails_nothing(live: Live) -> None:
    shutil.rmtree(live.root / "run")
    live.put("run", "no directory")
    for mode in ("end", "error"):
        assert live.command(mode)().exit_code == 0


def test_a_place_that_hangs_costs_no_more_than_the_limit(live: Live) -> None:
    (live.root / "dev/tty1").unlink()
    os.mkfifo(live.root / "dev/tty1")  # nobody reads it: opening it waits for ever
    (live.root / "dev/virtio-ports").mkdir()
    os.mkfifo(live.root / "dev/virtio-ports/org.isoforge.report")
    live.report("end", Receiver(timeout_s=3, url="http://192.0.2.1:9/"))
    assert left_by(live) == []
    assert "INSTALLED" in live.text("dev/ttyS0")
    assert (live.root / "target/var/log/isoforge/report.json").exists()


@dataclass(frozen=True, kw_only=True)
class Server:
    """A receiver on the loopback device that keeps what it gets, and refuses the first ``refusals`` requests."""

    url: str
    requests: list[tuple[str | None, dict[str, Any]]]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    requests: list[tuple[str | None, dict[str, Any]]] = []
    refusals = [503] * getattr(request, "param", 0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not refusals:
                requests.append((self.headers["Authorization"], json.loads(body)))
            self.send_response(refusals.pop() if refusals else 204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield Server(url=f"http://127.0.0.1:{running.server_port}/", requests=requests)
        running.shutdown()


@pytest.mark.parametrize("program", ["curl", "python3"])
@pytest.mark.parametrize("server", [1], indirect=True)
def test_the_report_is_sent_with_the_token_again_until_it_arrives(live: Live, server: Server, program: str) -> None:
    live.put("cdrom/isoforge/report/token", "t0ken-of-the-build")
    live = replace(live, tools=replace(live.tools, more=("ip", program)))
    live.report("end", Receiver(timeout_s=30, url=server.url))
    assert server.requests == [("Bearer t0ken-of-the-build", live.document("end"))]


def test_without_a_program_that_sends_the_other_places_have_the_report(live: Live, server: Server) -> None:
    live = replace(live, tools=replace(live.tools, more=()))
    live.report("end", Receiver(timeout_s=3, url=server.url))
    assert server.requests == []
    assert "INSTALLED" in live.text("dev/ttyS0")


def seen(server: Server, count: int) -> list[Any]:
    """The states and steps of the first ``count`` requests, waited for."""
    deadline = time.monotonic() + 60
    while len(server.requests) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return [(body["state"], body["step"]) for _, body in server.requests[:count]]


def test_the_progress_follows_the_installers_log_until_the_end(live: Live, server: Server) -> None:
    receiver = Receiver(timeout_s=20, url=server.url)
    live.put(LOG, "x DEBUG root:39 start: subiquity/Early/run/command_0: x\n")
    assert live.command("start", receiver, step_s=0.2)().exit_code == 0
    assert seen(server, 1) == [("installing", "early-commands")]
    with (live.root / LOG).open("a") as log:
        log.write("x DEBUG root:39 start: subiquity/Meta/status_GET: \n")
        log.write("x DEBUG root:39 start: subiquity/Install/install/curtin_install/partitioning: \n")
    assert seen(server, 2)[1] == ("installing", "storage")
    live.report("end", receiver)
    assert seen(server, 3)[2] == ("installed", "")
    time.sleep(1)
    assert len(server.requests) == 3


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.sh").write_text(script(REPORT, HOST, TEMPLATES))
    assert run("shellcheck", "--shell=sh", tmp_path / "report.sh") == ""


def need(*programs: str) -> Sequence[str]:
    return [one for one in programs if shutil.which(one) is None]


STICKS = {
    "vfat": (["mkfs.vfat", "-n", "ISOFORGELOG"], "label/ISOFORGELOG"),
    "ext4": (["mkfs.ext4", "-q", "-L", "ISOFORGE-LOG"], "label/ISOFORGE-LOG"),
}


@pytest.mark.skipif(os.geteuid() != 0 or bool(need("mkfs.ext4", "losetup")), reason="needs root and loop devices")
@pytest.mark.parametrize("kind", STICKS)
def test_a_stick_labelled_isoforge_log_takes_the_report_home(live: Live, tmp_path: Path, kind: str) -> None:
    if f"\t{kind}\n" not in Path("/proc/filesystems").read_text() or need(*STICKS[kind][0][:1]):
        pytest.skip(f"no {kind} on this machine")
    command, link = STICKS[kind]
    image, place = tmp_path / "stick.img", tmp_path / "place"
    with image.open("wb") as content:
        content.truncate(8 << 20)
    run(*command, image)
    device = run("losetup", "--find", "--show", image).strip()
    try:
        name = live.root / f"dev/disk/by-{link}"
        name.parent.mkdir(parents=True)
        name.symlink_to(device)
        live = replace(live, tools=replace(live.tools, more=("ip", "mount", "umount")))
        live.report("end")
        assert str(live.root) not in Path("/proc/mounts").read_text()
        place.mkdir()
        run("mount", "-o", "ro", device, place)
        try:
            (report,) = (place / "isoforge").iterdir()
            assert re.fullmatch(rf"{HOST}-\d{{8}}T\d{{6}}Z-end\.json", report.name)
            assert json.loads(report.read_text()) == live.document("end")
        finally:
            run("umount", place)
    finally:
        run("losetup", "--detach", device)
