"""Reports read, kept and shown: no network, no programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoforge.errors import UsageError
from isoforge.reports.page import page, policy
from isoforge.reports.parse import ReportError, parse_event, parse_report
from isoforge.reports.server import Receiver, Request
from isoforge.reports.sources import reports_in
from isoforge.reports.store import MAX_REPORTS, Build, Store

BUILD = Build(id="0123456789ab", name="prod", hosts=("web-1", "web-2"), token_sha256="0" * 64)


def document(**more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1, "id": "report-0001", "build": BUILD.id, "host": "web-1", "state": "installed",
        "step": "", "time": "2026-01-02T03:20:00Z", "started_at": "2026-01-02T03:06:00Z", "duration_s": 840,
        "machine": {"serial": "PC0EXMP1", "mac": ["00:00:5e:00:53:01"]}, **more,
    }  # fmt: skip


def content(**more: Any) -> bytes:
    return json.dumps(document(**more)).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "new/reports.sqlite", [BUILD])
    yield store
    store.close()


def add(store: Store, received: float, **more: Any) -> bool:
    (is_new,) = store.add([(parse_report(content(**more)), received)])
    return is_new


def states(store: Store) -> list[tuple[str, str, str]]:
    return [(one.host, one.state, one.step) for one in store.fleet()]


def test_a_report_is_read() -> None:
    report = parse_report(content())
    assert (report.host, report.state, report.machine, report.duration_s) == ("web-1", "installed", "PC0EXMP1", 840)
    assert report.time - report.started_at == 840


@pytest.mark.parametrize(
    "more",
    [
        {"schema_version": 2}, {"id": "x"}, {"id": 12345678}, {"build": "../../etc"}, {"build": None},
        {"host": "<script>alert(1)</script>"}, {"host": ""}, {"host": "a/b"}, {"host": "a\n"}, {"state": "waiting"},
        {"state": ["installed"]}, {"state": {}},
    ],
)  # fmt: skip
def test_a_report_that_is_none_is_refused_without_quoting_it(more: dict[str, Any]) -> None:
    with pytest.raises(ReportError) as error:
        parse_report(content(**more))
    assert "script" not in str(error.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000])
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(ReportError):
        parse_report(text)
    with pytest.raises(ReportError):
        parse_event(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(document())), value=anything)
def test_any_value_at_any_key_is_read_or_refused(key: str, value: Any) -> None:
    try:
        report = parse_report(json.dumps({**document(), key: value}).encode())
    except ReportError:
        return
    shown = report.step + report.reason + report.machine
    assert shown.isprintable()


def test_control_characters_and_long_texts_do_not_arrive_and_secrets_are_masked_again() -> None:
    reason = "\x1b[2J\u202ex password=hunter2hunter2 " + "y" * 10_000
    report = parse_report(content(state="failed", reason=reason, step="a\nb\ud800"))
    assert "hunter2" not in report.reason
    assert report.reason.isprintable()
    assert len(report.reason) <= 300
    assert report.step == "a b"


@pytest.mark.usefixtures("store")
def test_the_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert (tmp_path / "new/reports.sqlite").stat().st_mode & 0o777 == 0o600


def test_the_fleet_waits_installs_and_is_done_and_a_restart_loses_nothing(store: Store, tmp_path: Path) -> None:
    assert states(store) == [("web-1", "waiting", ""), ("web-2", "waiting", "")]
    assert add(store, 100, id="report-0002", state="installing", step="storage")
    assert states(store)[0] == ("web-1", "installing", "storage")
    assert add(store, 200, id="report-0003", state="installed")
    again = Store(tmp_path / "new/reports.sqlite", [BUILD])
    assert states(again) == states(store) == [("web-1", "installed", ""), ("web-2", "waiting", "")]
    assert again.fleet()[0].since == 200
    again.close()


def test_a_report_that_is_replayed_changes_nothing(store: Store) -> None:
    assert add(store, 100, id="report-0002", state="failed", step="storage", reason="no disk")
    assert add(store, 200, id="report-0003", state="installed")
    assert not add(store, 300, id="report-0002", state="failed", step="storage", reason="no disk")
    assert states(store)[0] == ("web-1", "installed", "")


def test_progress_that_arrives_after_the_end_changes_nothing_and_a_new_installation_does(store: Store) -> None:
    add(store, 100, id="report-0002", state="installed")
    add(store, 101, id="report-0003", state="installing", step="late-commands")
    assert states(store)[0][1] == "installed"
    later = {"time": "2026-01-03T03:20:00Z", "started_at": "2026-01-03T03:19:00Z"}
    add(store, 102, id="report-0004", state="installing", step="early-commands", **later)
    assert states(store)[0] == ("web-1", "installing", "early-commands")


def test_since_is_when_the_step_began(store: Store) -> None:
    for number, received in enumerate((100, 150, 190)):
        add(store, received, id=f"report-000{number}", state="installing", step="storage")
    assert store.fleet()[0].since == 100


def test_a_machine_that_is_no_host_of_the_build_is_unknown(store: Store) -> None:
    add(store, 100, host="isoforge-detect", state="failed", step="checking the machine")
    unknown = store.fleet()[-1]
    assert (unknown.host, unknown.state, unknown.machine) == ("isoforge-detect", "unknown", "PC0EXMP1")


def test_one_host_cannot_fill_the_disk(store: Store) -> None:
    reports = [(parse_report(content(id=f"report-{number:05}")), 1.0) for number in range(MAX_REPORTS + 5)]
    assert sum(store.add(reports)) == MAX_REPORTS


def test_an_event_names_the_step_that_it_starts() -> None:
    event = {"name": "subiquity/Install/install", "description": "x", "event_type": "start", "origin": "curtin"}
    assert parse_event(json.dumps(event).encode()) == "Install/install"
    assert parse_event(json.dumps({**event, "event_type": "finish", "result": "SUCCESS"}).encode()) == ""
    with pytest.raises(ReportError):
        parse_event(b'{"name": 1, "event_type": "start"}')


class Texts(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_the_page_escapes_everything_and_needs_nothing_from_elsewhere(store: Store) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    add(store, 100, state="failed", step=evil, reason=evil, machine={"serial": evil})
    text = page(store.fleet(), now=200)
    assert Texts(text).tags.count("script") == 1
    assert "img" not in Texts(text).tags
    assert Texts(text).addresses == ["data:,"]
    assert "&lt;script&gt;alert(1)" in text


def test_the_page_is_kept_to_its_own_script_whatever_a_report_says(store: Store) -> None:
    before = policy(page(store.fleet(), now=1))
    add(store, 100, state="failed", reason="<script>x</script><style>y</style>")
    assert policy(page(store.fleet(), now=1)) == before
    assert "default-src 'none'" in before[0]


def test_the_reports_of_a_stick_are_read_and_other_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "isoforge").mkdir()
    (tmp_path / "isoforge/web-1.json").write_bytes(content())
    (tmp_path / "isoforge/other.json").write_text("{}")
    (tmp_path / "isoforge/large.json").write_bytes(b" " * 300_000)
    (tmp_path / "isoforge/folder.json").mkdir()
    reports, faults = reports_in(tmp_path)
    assert [one.host for one in reports] == ["web-1"]
    assert len(faults) == 3
    with pytest.raises(UsageError):
        reports_in(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request(method="POST", path="/", headers={}, body=b"{}"), 401),
        (Request(method="POST", path="/", headers={"authorization": "Bearer wrong"}, body=b"{}"), 401),
        (Request(method="POST", path="/", headers={"authorization": "Basic x"}, body=b"{}"), 401),
        (Request(method="POST", path="/other", headers={}, body=b"{}"), 404),
        (Request(method="PUT", path="/", headers={}, body=b""), 405),
        (Request(method="GET", path="/../etc/passwd", headers={}, body=b""), 404),
        (Request(method="GET", path="/", headers={}, body=b""), 200),
        (Request(method="GET", path="/fleet.json", headers={}, body=b""), 200),
        (Request(method="POST", path="/events/web-1", headers={}, body=b"{}"), 400),
        (Request(method="POST", path="/events/web-1", headers={}, body=b'{"name":"x","event_type":"start"}'), 403),
    ],
)
def test_requests_are_answered_with_what_they_deserve(store: Store, request_: Request, status: int) -> None:
    import asyncio

    async def answered() -> int:
        return (await Receiver(store).answer(request_)).status

    assert asyncio.run(answered()) == status
