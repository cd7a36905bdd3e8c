"""Seeds: what one host's cloud-init reads (user-data, meta-data, vendor-data), rendered, written and read back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from isoforge.atomic import locked, replace_together, unwritable
from isoforge.errors import InventoryError, OutputError, TemplateError
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.guard import guard_command, guarded, stamp_command
from isoforge.fleet.seed.report import with_report
from isoforge.fleet.seed.scripts import calls, contain_scripts, every_script
from isoforge.fleet.seed.staleness import NAME as SIDECAR
from isoforge.fleet.seed.staleness import Source, content, digest, is_stale, source_of, templates_digest
from isoforge.fleet.seed.target_files import FOLDER, files_beside_seed, files_command
from isoforge.iso_layout import FILES_TABLE
from isoforge.ownership import foreign_part, refuse_foreign
from isoforge.regular_file import is_present, read_regular
from isoforge.release import Release
from isoforge.seed_format import guard_keys, rows_of, sha256_of
from isoforge.templates import dump, render
from isoforge.yaml_limits import MOST_BYTES, load

COMMAND_LISTS = ("early-commands", "late-commands", "error-commands")
"""The lists of commands in the autoinstall section."""

HEADER = "#cloud-config"
"""The first line, to the letter: with anything before it, the file is none and the installer asks questions."""

__all__ = ["Seed", "is_stale", "read_seed", "render_seed", "write_seed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """The three files that a host's installation is seeded with. They may hold secrets: the repr shows none.

    ``beside`` are the files for the installed system, by their path in the seed's folder (`target_files`).

    ``match`` are the match keys that its guard compares (``KEY=VALUE``), None without a guard. ``source`` says what it
    was rendered from and ``document`` what its user-data holds; None for a seed that was read back.
    """

    host: str
    user_data: bytes = field(repr=False)
    meta_data: bytes = field(repr=False)
    vendor_data: bytes = field(repr=False)
    beside: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    match: tuple[str, ...] | None = field(default=None, repr=False)
    source: Source | None = field(default=None, repr=False, compare=False)
    document: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def guarded(self) -> bool:
        """Whether it refuses every machine but the host's."""
        return self.match is not None

    @property
    def files(self) -> dict[str, bytes]:
        """The content of each file, by its name."""
        own = {"user-data": self.user_data, "meta-data": self.meta_data, "vendor-data": self.vendor_data}
        return {**own, **self.beside}


def render_seed(
    host: Host,
    *,
    templates: Sequence[Path],
    release: Release | None = None,
    guard: bool = True,
    report: bool = True,
    templates_sha256: str | None = None,
    scripts: Mapping[str, str] | None = None,
) -> Seed:
    """The seed of ``host`` from the first ``user-data.j2``, ``meta-data.j2`` and ``vendor-data.j2`` in ``templates``.

    ``release`` is the base ISO's; None gives a seed that 22.04 to 26.04 all read. With ``guard``, the seed of a host
    with match keys refuses every other machine; with ``report``, it says how the installation ended. Same arguments:
    same bytes. A host that is not `revealed` is rendered with placeholders for its secrets. ``templates_sha256`` is
    `templates_digest` and ``scripts`` is `every_script`, if they are known already. Raises ``TemplateError`` for a
    template that fails or gives something else than a seed.
    """
    values = template_values(host, host.values, release)
    scripts = scripts or every_script(templates)
    text, document = render_document(host, values, templates=templates, guard=guard, report=report, scripts=scripts)
    user_data = _written(text, document, host, scripts)
    instance_id = host.values["instance_id"] or f"{values['hostname']}-{digest(user_data)[:12]}"
    meta = render("meta-data.j2", {**values, "instance_id": instance_id}, templates=templates, host=host.name)
    vendor = render("vendor-data.j2", values, templates=templates, host=host.name)
    return Seed(
        host=host.name,
        user_data=user_data,
        meta_data=dump(_mapping(meta, "meta-data.j2", host)).encode(),
        vendor_data=vendor.encode(),
        beside=files_beside_seed(host),
        match=guard_keys(user_data, host.name),
        source=source_of(host, templates_sha256 or templates_digest(templates), release),
        document=document,
    )


def render_document(
    host: Host,
    values: Mapping[str, Any],
    *,
    templates: Sequence[Path],
    guard: bool,
    report: bool,
    scripts: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, Any]]:
    """What the template of user-data makes of ``values`` (`template_values`), and the document that comes of it."""
    text = render("user-data.j2", values, templates=templates, host=host.name)
    document = _parsed(text, "user-data.j2", host)
    document = {**document, "autoinstall": _over(document.get("autoinstall") or {}, values["autoinstall"])}
    section = document["autoinstall"]
    section = with_report(section, host, templates, scripts) if report else section
    first = guard_command(host, templates, scripts) if guard else []
    late = [
        stamp_command(host, templates, scripts),
        files_command(host, files_beside_seed(host), templates, scripts),
    ]
    document["autoinstall"] = guarded(section, first, [one for one in late if one])
    return text, document


def locked_hash(host: str) -> str:
    """A SHA-512 hash that no known password gives, for an account that is entered with a key only.

    "!" would say the same, but not every release's chpasswd takes it; this has the form of any other hash.
    """
    salt, digest = (hashlib.sha512(f"{word} {host}".encode()).digest() for word in ("salt", "no password"))
    letters = [base64.b64encode(part, altchars=b"./").decode().rstrip("=") for part in (salt, digest)]
    return f"$6${letters[0][:16]}${letters[1][:85]}."


def template_values(host: Host, values: Mapping[str, Any], release: Release | None) -> dict[str, Any]:
    """What templates see: every key of ``values`` (the host's) by its name, and what follows from several of them."""
    series = release.series if release else ""
    identity = values["identity"]
    has_password = identity["password_hash"] is not None
    sudo = identity["sudo"] or ("password" if has_password else "nopasswd")
    return {
        **values,
        "host": host,
        "hostname": values["hostname"] or host.name,
        "password_hash": identity["password_hash"] if has_password else locked_hash(host.name),
        "sudo_without_password": identity["username"] is not None and sudo == "nopasswd",
        "release": series,
        "release_since": lambda first: series != "" and series >= first,
        "release_before": lambda first: series != "" and series < first,
    }


def _parsed(text: str, template: str, host: Host) -> dict[str, Any]:
    if not text.startswith(f"{HEADER}\n"):
        raise TemplateError(f"{template}: its first line must be {HEADER}, alone (host {host.name})")
    return _mapping(text, template, host)


def _mapping(text: str, template: str, host: Host) -> dict[str, Any]:
    """The mapping that a rendered template holds."""
    try:
        document = load(text)
    except yaml.YAMLError as error:
        mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = "" if mark is None else f", line {mark.line + 1} of its output"
        raise TemplateError(f"{template}{line}: not valid YAML: {reason} (host {host.name})") from None
    if not isinstance(document, dict):
        raise TemplateError(f"{template}: its output must be a mapping (host {host.name})")
    return document


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, Mapping):
        return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    return above


def _written(text: str, document: dict[str, Any], host: Host, scripts: Mapping[str, str]) -> bytes:
    """The header, the template's opening comments and ``document``, proven to read back as the same document.

    That is done with calls in place of the ``scripts``, which are the same in all seeds.
    """
    opening = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        opening.append(line.rstrip())
    section = document["autoinstall"]
    lists = {key: value for key, value in section.items() if key in COMMAND_LISTS and isinstance(value, list)}
    short = {key: [calls(command, scripts) for command in value] for key, value in lists.items()}
    document = {**document, "autoinstall": {**section, **short}}
    body = dump(document)
    if load(body) != document:
        raise TemplateError(f"user-data.j2: its output does not read back as the same document (host {host.name})")
    return contain_scripts(("\n".join(opening) + "\n" + body).encode(), scripts)


def write_seed(seed: Seed, generated: Path) -> Path:
    """Write ``seed`` to ``generated/<host>/`` (0700, its files 0600) and return that directory.

    Beside it goes ``.rendered.json``, with digests of what it was rendered from. The old files stay until the
    new ones are complete. Raises ``OutputError``.
    """
    folder = generated / seed.host
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} exists and is not a directory", hint=f"rm {folder}")
    for one in (generated, folder):
        refuse_foreign(one)
    contents = {folder / name: text for name, text in seed.files.items()}
    if seed.source is not None:
        contents[folder / SIDECAR] = content(seed.source, seed.files)
    try:
        generated.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(generated, wait=True):
            replace_together(contents, private=True, durable=False)
            for former in (folder / FOLDER).glob("*"):
                if former not in contents:
                    former.unlink()
    except OSError as failure:
        raise unwritable(failure, folder) from None
    return folder


def read_seed(generated: Path, host: str) -> Seed:
    """The rendered seed of ``host`` in ``generated``; without a vendor-data file that one is empty.

    Raises ``InventoryError`` with the command that renders it, if a file is missing, empty or cannot be read.
    """
    for path in (generated, generated / host):
        _refuse_foreign(path, host)
    user_data = _read(generated / host / "user-data", host)
    if not user_data.strip():
        raise _unusable(generated / host / "user-data", host, "is empty")
    meta_data = _read(generated / host / "meta-data", host)
    vendor = generated / host / "vendor-data"
    vendor_data = _read(vendor, host) if is_present(vendor) else b""
    return Seed(
        host=host,
        user_data=user_data,
        meta_data=meta_data,
        vendor_data=vendor_data,
        beside=_read_beside(generated / host, host),
        match=guard_keys(user_data, host),
    )


def _read_beside(folder: Path, host: str) -> dict[str, bytes]:
    """The files beside the seed in ``folder``, as its table lists them."""
    table = folder / FILES_TABLE
    if not is_present(table):
        return {}
    content = _read(table, host)
    try:
        rows = rows_of(content)
    except ValueError:
        raise _unusable(table, host, "is damaged") from None
    files = {f"{FOLDER}/{row.name}": _read(table.with_name(row.name), host) for row in rows}
    if any(sha256_of(files[f"{FOLDER}/{row.name}"]) != row.sha256 for row in rows):
        raise _unusable(table.parent, host, "was changed")
    return {FILES_TABLE: content, **files}


def _refuse_foreign(path: Path, host: str) -> None:
    """Raise ``InventoryError`` if another user has planted ``path``: what he wrote would be installed."""
    reason = foreign_part(path)
    if reason:
        text = f"host {host}: {reason}: it is not used"
        raise InventoryError(text, hint=f"remove it, then: isoforge gen --host {host}")


def _read(path: Path, host: str) -> bytes:
    _refuse_foreign(path, host)
    try:
        return read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        raise _unusable(path, host, "does not exist") from None
    except IsADirectoryError:
        raise _unusable(path, host, "is a directory") from None
    except OSError as failure:
        raise _unusable(path, host, f"cannot be read: {failure.strerror}") from None


def _unusable(path: Path, host: str, what: str) -> InventoryError:
    return InventoryError(f"host {host}: {path} {what}", hint=f"render it with: isoforge gen --host {host}")
