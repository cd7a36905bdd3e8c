"""The outer shape of user-data: the first line that cloud-init looks for, and what stands beside `autoinstall:`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check import schema
from isoforge.fleet.check.document import MOST_BYTES
from isoforge.fleet.check.findings import Findings, mapping, meant

HEADER = "#cloud-config"

LARGE_BYTES = 1024 * 1024
"""From this size on, user-data most probably carries files that belong elsewhere."""


def decoded(found: Findings, raw: bytes) -> str:
    """Say what is wrong with the bytes before they are YAML, and give them as text with plain line ends; "" if they
    are no text."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        found.error((), "is UTF-16: save as UTF-8 without byte order mark", line=1)
        return ""
    if raw.startswith(b"\xef\xbb\xbf"):
        found.error((), "begins with a byte order mark, which hides the first line: save as UTF-8 without it", line=1)
        raw = raw[3:]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        found.error((), "is not UTF-8 here: save as UTF-8", line=raw.count(b"\n", 0, error.start) + 1)
        return ""
    if "\r" in text:
        found.error((), "has Windows line ends (CR LF): save with LF", line=text.count("\n", 0, text.index("\r")) + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_size(found: Findings, raw: bytes) -> bool:
    """Whether the file is of a size that is worth reading; a large one is said."""
    if len(raw) > MOST_BYTES:
        found.error((), f"has more than {MOST_BYTES >> 20} MiB: that is no user-data", line=1)
        return False
    if len(raw) > LARGE_BYTES:
        found.warning((), f"has {len(raw) / LARGE_BYTES:.1f} MiB: fetch large files in a command instead", line=1)
    return True


def check_first_line(found: Findings, text: str) -> None:
    """Say if cloud-init would not take the text for cloud-config."""
    if not text.strip():
        found.error((), f"is empty: it needs {HEADER} on its first line and an `autoinstall:` mapping", line=1)
        return
    lines = text.split("\n")
    first = lines[0]
    if first.rstrip() == HEADER:
        return
    begun = next((index for index, line in enumerate(lines) if line.rstrip() == HEADER), None)
    lost = "cloud-init would not read it, and the installer would ask every question"
    if begun is None:
        found.error((), f"the first line must be {HEADER}, not {_shown(first)}: {lost}", line=1)
    else:
        between = "a comment or another line" if "".join(lines[:begun]).strip() else "an empty line"
        found.error((), f"{HEADER} must be the very first line; {between} stands before it: {lost}", line=1)


def _shown(first: str) -> str:
    return repr(first) if first.startswith("#") and len(first) < 60 else "something else"


def check_beside(found: Findings, data: Any) -> Mapping[str, Any]:
    """Say what is wrong at the top level, and give the `autoinstall:` mapping; an empty one if there is none."""
    if data is None:
        found.error((), "holds nothing but comments: it needs an `autoinstall:` mapping", line=1)
        return {}
    if not isinstance(data, dict):
        found.error((), f"must be a mapping with an `autoinstall:` key, not {schema.kind(data)}")
        return {}
    known = schema.load("autoinstall")["properties"]
    if "autoinstall" not in data:
        _say_missing(found, data, known)
        return {}
    cloud = schema.words("cloud-config-keys")
    for key in data:
        if key in cloud:
            if key in known:
                said = "configures the live system here; to configure the installed one, indent it under `autoinstall:`"
                found.warning((key,), said)
        elif key in known:
            found.error((key,), "stands beside `autoinstall:` and is lost there: indent it under `autoinstall:`")
        else:
            found.warning((key,), f"cloud-init knows no such key{meant(key, cloud | set(known))}")
    value = data["autoinstall"]
    if not value and (value is None or isinstance(value, dict)):
        found.error(("autoinstall",), "is empty, which the installer takes for none: it would ask every question")
    elif not isinstance(value, dict):
        found.error(("autoinstall",), f"must be a mapping, not {schema.kind(value)}")
    return mapping(value)


def _say_missing(found: Findings, data: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    lost = "there is no `autoinstall:` key, so that the installer would ask every question"
    typo = next((key for key in data if meant(key, ["autoinstall"])), None)
    if typo is not None:
        found.error((typo,), f"{lost}; did you mean 'autoinstall'?")
    elif "version" in data and any(key in known for key in data):
        found.error(("autoinstall",), f"{lost}: indent the whole document under `autoinstall:`", line=1)
    else:
        found.error(("autoinstall",), lost, line=1)


def check_target(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    """The cloud-config of the installed system, `autoinstall.user-data`: unknown keys and wrong types."""
    route = ("autoinstall", "user-data")
    target = mapping(autoinstall.get("user-data"))
    known = schema.words("cloud-config-keys") - {"autoinstall"}
    for key in target:
        if key not in known:
            found.warning((*route, key), f"cloud-init knows no such key{meant(key, known)}")
    schema.check(found, target, route, schema.validator("cloud-config"))
