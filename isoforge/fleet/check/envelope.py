"""The outer shape of user-data: the first line that cloud-init looks for, and the keys outside `autoinstall:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check import schema
from isoforge.fleet.check.findings import Findings, mapping
from isoforge.fleet.check.installers import CHECKS_TARGET_CONFIG
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import MOST_BYTES

HEADER = "#cloud-config"

LARGE_BYTES = 1024 * 1024
"""From this size on, user-data most probably carries files that belong elsewhere."""

_LOST = "cloud-init would not read the file, and the installer would ask every question"


def decoded(findings: Findings, content: bytes) -> str:
    """Report what is wrong with the bytes before they are YAML, and return them as text with plain line ends; "" if
    they are not text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        findings.error("encoding-wrong", (), "is UTF-16: save as UTF-8 without byte order mark", line=1)
        return ""
    if content.startswith(b"\xef\xbb\xbf"):
        message = "begins with a byte order mark, which hides the first line: save as UTF-8 without it"
        findings.error("byte-order-mark", (), message, line=1)
        content = content[3:]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.error("encoding-wrong", (), "is not UTF-8 here: save as UTF-8", line=line)
        return ""
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        findings.error("windows-line-ends", (), "has Windows line ends (CR LF): save with LF", line=line)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_size(findings: Findings, content: bytes) -> bool:
    """Whether the file is of a size that is worth reading; a large one is reported."""
    if len(content) > MOST_BYTES:
        message = f"is larger than {MOST_BYTES >> 20} MiB: not a seed file"
        findings.error("yaml-too-large", (), message, line=1)
        return False
    if len(content) > LARGE_BYTES:
        message = f"has {len(content) / LARGE_BYTES:.1f} MiB: fetch large files with a command instead"
        findings.warning("user-data-large", (), message, line=1)
    return True


def check_first_line(findings: Findings, text: str) -> None:
    """Report if cloud-init would not take the text for cloud-config."""
    if not text.strip():
        message = f"is empty: it needs {HEADER} on its first line and an `autoinstall:` mapping"
        findings.error("user-data-empty", (), message, line=1)
        return
    lines = text.split("\n")
    first = lines[0]
    if first.rstrip() == HEADER:
        return
    begun = next((index for index, line in enumerate(lines) if line.rstrip() == HEADER), None)
    if begun is None:
        message = f"the first line must be {HEADER}, not {_excerpt(first)}: {_LOST}"
    else:
        between = "a comment or another line" if "".join(lines[:begun]).strip() else "an empty line"
        message = f"{HEADER} must be the very first line, but {between} precedes it: {_LOST}"
    findings.error("header-missing", (), message, line=1)


def _excerpt(first: str) -> str:
    return repr(first) if first.startswith("#") and len(first) < 60 else "something else"


def check_top_level(findings: Findings, data: Any) -> Mapping[str, Any]:
    """Report what is wrong at the top level, and return the `autoinstall:` mapping; an empty one if there is none."""
    if data is None:
        message = "holds nothing but comments: it needs an `autoinstall:` mapping"
        findings.error("user-data-empty", (), message, line=1)
        return {}
    if not isinstance(data, dict):
        message = f"must be a mapping with an `autoinstall:` key, not {schema.kind(data)}"
        findings.error("wrong-type", (), message)
        return {}
    known = schema.load("autoinstall")["properties"]
    if "autoinstall" not in data:
        _report_missing(findings, data, known)
        return {}
    cloud = schema.words("cloud-config-keys")
    for key in data:
        if key in cloud and key in known:
            message = "configures the live system here; for the installed system, indent it under `autoinstall:`"
            findings.warning("key-for-live-system", (key,), message)
        elif key not in cloud and key in known:
            message = "is outside `autoinstall:` and has no effect there: indent it under `autoinstall:`"
            findings.error("key-beside-autoinstall", (key,), message)
        elif key not in cloud:
            near = did_you_mean(key, cloud | set(known))
            findings.warning("cloud-config-key-unknown", (key,), f"cloud-init has no such key{near}")
    value = data["autoinstall"]
    if not value and (value is None or isinstance(value, dict)):
        message = "is empty, which the installer treats as absent: it would ask every question"
        findings.error("autoinstall-missing", ("autoinstall",), message)
    elif not isinstance(value, dict):
        findings.error("wrong-type", ("autoinstall",), f"must be a mapping, not {schema.kind(value)}")
    return mapping(value)


def _report_missing(findings: Findings, data: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    lost = "there is no `autoinstall:` key, so the installer would ask every question"
    typo = next((key for key in data if did_you_mean(key, ["autoinstall"])), None)
    if typo is not None:
        findings.error("autoinstall-missing", (typo,), f"{lost}; did you mean 'autoinstall'?")
    elif "version" in data and any(key in known for key in data):
        message = f"{lost}: indent the whole document under `autoinstall:`"
        findings.error("autoinstall-missing", ("autoinstall",), message, line=1)
    else:
        findings.error("autoinstall-missing", ("autoinstall",), lost, line=1)


def check_target(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """The cloud-config of the installed system, `autoinstall.user-data`: unknown keys and wrong types."""
    path = ("autoinstall", "user-data")
    target = mapping(autoinstall.get("user-data"))
    known = schema.words("cloud-config-keys") - {"autoinstall"}
    is_checked = findings.release is not None and CHECKS_TARGET_CONFIG.holds(findings.release)
    late = f"; the installer of {findings.release} refuses it" if is_checked else ""
    for key in target:
        if key not in known:
            message = f"cloud-init has no such key{late}{did_you_mean(key, known)}"
            findings.warning("cloud-config-key-unknown", (*path, key), message)
    schema.check(findings, target, path, schema.validator("cloud-config"))
