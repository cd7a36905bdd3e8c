"""Which commands of a seed report, what they are told, and the token of a build: texts only, nothing is run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from isoforge.errors import InventoryError
from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.detect import detect_seed
from isoforge.fleet.seed.render import render_seed
from isoforge.fleet.seed.report import Receiver, commonest, receiver_of
from isoforge.iso_layout import DETECT, REPORT_FOLDER, REPORT_TOKEN
from isoforge.report_files import TokenSource, report_files
from isoforge.seed_format import REPORT, has_report
from isoforge.workspace import Workspace
from tests.unit.fleet.conftest import Write, reviewed

URL = "https://collect.example.org:8443/"
TOKEN = "tokenTOKENtokenTOKEN1234"  # noqa: S105 - made up for these tests
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def host_of(baremetal: Path) -> Host:
    return survey(baremetal).host("web-1")


def section(host: Host, templates: list[Path], **more: Any) -> dict[str, Any]:
    return dict(yaml.safe_load(render_seed(host, templates=templates, **more).user_data)["autoinstall"])


def test_the_report_comes_after_the_guard_and_after_the_users_own_last_commands(
    one_host: Write, templates: list[Path]
) -> None:
    values = "match: {serial: PC1}\nearly_commands: [a]\nlate_commands: [b]\nerror_commands: [c]\n"
    lists = section(host_of(one_host(values)), templates)
    assert [one if isinstance(one, str) else one[3] for one in lists["early-commands"]][1:] == [REPORT, "a"]
    assert lists["late-commands"][-2:-1] == ["b"]
    assert lists["late-commands"][-1][3:] == [REPORT, "end", "web-1"]
    assert lists["error-commands"][0] == "c"
    assert lists["error-commands"][1][3:] == [REPORT, "error", "web-1"]


@pytest.mark.parametrize(("values", "report"), [("report: {enabled: false}", True), ("", False)])
def test_on_request_a_seed_does_not_report(one_host: Write, templates: list[Path], values: str, report: bool) -> None:
    seed = render_seed(host_of(one_host(values)), templates=templates, report=report)
    assert not has_report(seed.user_data)
    assert b"error-commands" not in seed.user_data


def test_the_script_is_told_the_receiver_and_never_the_token(one_host: Write, templates: list[Path]) -> None:
    ca = PEM.replace("\n", "\n    ")
    text = f"report:\n  url: {URL}\n  token: {TOKEN}\n  timeout: 90\n  serial: ttyS0\n  ca: |\n    {ca}"
    host = host_of(one_host(text))
    receiver = receiver_of(host)
    assert receiver is not None
    words = section(host, templates)["late-commands"][-1][4:]
    assert words == ["end", "web-1", f"url={URL}", f"ca={receiver.ca_file}", "serial=ttyS0", "timeout=90"]
    assert TOKEN.encode() not in render_seed(host, templates=templates).user_data


def test_the_installers_own_events_go_to_the_receiver_on_request_only(one_host: Write, templates: list[Path]) -> None:
    assert "reporting" not in section(host_of(one_host(f"report: {{url: '{URL}'}}")), templates)
    raw = "autoinstall: {reporting: {mine: {type: print}}}"
    wanted = section(host_of(one_host(f"report: {{url: '{URL}', webhook: true}}\n{raw}")), templates)["reporting"]
    assert wanted["isoforge"] == {"type": "webhook", "endpoint": f"{URL}events/web-1"}
    assert wanted["mine"] == {"type": "print"}


def test_a_machine_that_no_host_fits_reports_that(templates: list[Path]) -> None:
    seed = detect_seed(templates=templates, receiver=Receiver(url=URL))
    (command,) = yaml.safe_load(seed.user_data)["autoinstall"]["error-commands"]
    assert command[3:] == [REPORT, "error", DETECT, f"url={URL}"]
    assert b"error-commands" not in detect_seed(templates=templates).user_data


def test_the_receiver_of_most_hosts_is_the_fleets() -> None:
    one, two = Receiver(url=URL), Receiver()
    assert commonest([two, one, one]) == one
    assert commonest([]) == Receiver()


def test_without_a_receiver_there_is_no_token(one_host: Write) -> None:
    baremetal = one_host("")
    workspace = Workspace(baremetal=baremetal)
    files = report_files(workspace, [host_of(baremetal)])
    assert files.with_token("0123456789ab") == {}
    assert not workspace.report_key.exists()


def test_the_token_of_a_build_follows_from_the_fleets_key_and_the_build(one_host: Write) -> None:
    baremetal = one_host(f"report: {{url: '{URL}'}}")
    workspace, host = Workspace(baremetal=baremetal), host_of(baremetal)
    first = report_files(workspace, [host]).with_token("0123456789ab")[REPORT_TOKEN]
    assert len(first) == 64
    assert workspace.report_key.stat().st_mode & 0o777 == 0o600
    again = report_files(workspace, [host])
    assert again.with_token("0123456789ab")[REPORT_TOKEN] == first
    assert again.with_token("0123456789ac")[REPORT_TOKEN] != first
    assert first not in b"".join(again.inputs.values())
    workspace.report_key.unlink()
    assert report_files(workspace, [host]).with_token("0123456789ab")[REPORT_TOKEN] != first


def test_a_key_that_is_too_short_is_refused(one_host: Write) -> None:
    baremetal = one_host(f"report: {{url: '{URL}'}}")
    workspace = Workspace(baremetal=baremetal)
    workspace.report_key.parent.mkdir(exist_ok=True)
    workspace.report_key.write_text("short\n")
    with pytest.raises(InventoryError, match="too short"):
        report_files(workspace, [host_of(baremetal)])


def test_a_token_of_the_secrets_is_used_as_it_is(one_host: Write) -> None:
    baremetal = one_host(f"report: {{url: '{URL}', token: {TOKEN}}}")
    workspace = Workspace(baremetal=baremetal)
    files = report_files(workspace, [host_of(baremetal)])
    assert files.source == TokenSource(secret=TOKEN.encode(), is_token=True)
    assert files.with_token("0123456789ab")[REPORT_TOKEN] == TOKEN.encode()
    assert TOKEN not in repr(files)
    assert not workspace.report_key.exists()


def test_a_certificate_is_on_the_medium_once(one_host: Write) -> None:
    ca = PEM.replace("\n", "\n    ")
    baremetal = one_host(f"report:\n  url: {URL}\n  ca: |\n    {ca}")
    host = host_of(baremetal)
    files = report_files(Workspace(baremetal=baremetal), [host, host]).files
    (certificate,) = (path for path in files if path.suffix == ".pem")
    assert certificate.parent == REPORT_FOLDER
    assert files[certificate].decode() == PEM


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ("url: 'https://ops:secret@collect.example.org/'", ["invalid-format"]),
        ("url: 'https://collect.example.org/\"; x'", ["invalid-format"]),
        ("url: 'ftp://collect.example.org/'", ["invalid-format"]),
        (f"url: '{URL}', token: short", ["invalid-format"]),
        (f"url: '{URL}', ca: text", ["invalid-format"]),
        (f"url: '{URL}', timeout: 4", ["report-timeout-invalid"]),
        (f"url: '{URL}', timeout: 601", ["report-timeout-invalid"]),
        ("serial: /dev/ttyS0", ["invalid-format"]),
        ("webhook: true", ["report-url-missing"]),
        ("url: 'http://192.0.2.1:8080/'", ["report-not-encrypted"]),
        (f"url: '{URL}', token: {TOKEN}", ["secret-in-inventory"]),
        (f"url: '{URL}', webhook: true", ["report-webhook-blocks"]),
        (f"url: '{URL}'", []),
    ],
)
def test_values_that_cannot_work_are_reported(one_host: Write, values: str, ids: list[str]) -> None:
    assert sorted(one.id for one in reviewed(one_host(f"report: {{{values}}}"))) == ids
