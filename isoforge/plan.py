"""What a build will write, decided before anything is written."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from isoforge import __version__
from isoforge.added_files import read_additions
from isoforge.dates import build_time, source_date_epoch
from isoforge.errors import UsageError
from isoforge.fleet import smbios
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.medium import MediumFiles, medium_files
from isoforge.fleet.seed.render import Seed
from isoforge.image.base import BaseIso
from isoforge.image.checksums import refreshed
from isoforge.image.menu import Menu, menu_files, positions
from isoforge.image.repack import Graft, Method, volume_date
from isoforge.image.serial_ports import shared_console
from isoforge.image.submenus import in_menu_order
from isoforge.image.tree import read_tree
from isoforge.iso_layout import (
    BASE_HEAD,
    BUILD_ID,
    FILES_TABLE,
    GRUB_CFG,
    LOOPBACK_CFG,
    MANIFEST,
    MD5SUM_TXT,
    SEEDS_FOLDER,
    build_marker,
)
from isoforge.menu_entries import detect_entry, entry_of
from isoforge.order import Order
from isoforge.proof.manifest import (
    BaseFacts,
    BootDigest,
    FileFacts,
    HookFacts,
    HostFacts,
    Manifest,
    TargetFileFacts,
    sha256,
)
from isoforge.report_files import ReportFiles, report_files
from isoforge.seed_format import rows_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build will write.

    ``modified`` is the volume's modification date as ISO 9660 writes it, ``when`` the time of every new file.
    """

    method: Method
    menu: Menu
    grafts: tuple[Graft, ...]
    manifest: Manifest
    modified: str
    when: datetime


def make_plan(
    order: Order,
    base: BaseIso,
    hosts: tuple[Host, ...],
    seeds: tuple[Seed, ...],
    xorriso_version: str,
    *,
    boot: tuple[BootDigest, ...],
    hook: HookFacts | None = None,
) -> Plan:
    """Everything that will be on the ISO, from the order, the base, whose boot records have the digests ``boot``,
    the seeds and the files added alone; ``hook`` has changed the unpacked base."""
    reports = report_files(order.workspace, hosts) if order.report else ReportFiles()
    medium = medium_files(hosts, seeds, order.workspace.templates, receiver=reports.receiver)
    added = read_additions(order.added, read_tree(base.path)) if order.added else {}
    menu = menu_of(order, base, hosts, detects=bool(medium.detection))
    menu = with_build_id(menu, build_id(menu, base, {**medium.every, **added, **reports.inputs}))
    medium = replace(medium, report=reports.with_token(menu.build_id))
    method = method_for(order, base)
    head = {BASE_HEAD: base.inside.head} if method is Method.GRAFT else {}
    manifest = replace(
        describe(menu, base, medium, xorriso_version, guards={seed.host: seed.match for seed in seeds}, boot=boot),
        guard=order.guard,
        report=order.report,
        report_token_sha256=reports.token_sha256(menu.build_id),
        menu_colors=menu.colors.value,
        hidden_menu=menu.hidden,
        added=file_facts(added),
        hook=hook,
        source_date_epoch=source_date_epoch(order.rebuild_of),
        base_head=next((FileFacts(path=str(path), sha256=sha256(content)) for path, content in head.items()), None),
    )
    files = {
        **{file: text.encode() for file, text in menu_files(menu, base).items()},
        MANIFEST: manifest.to_json().encode(),
        BUILD_ID: f"{menu.build_id}\n".encode(),
        build_marker(menu.build_id): b"",
        **{file: f"{menu.medium}\n".encode() for file in base.casper_uuids},
        **medium.every,
        **head,
        **added,
    }
    if base.md5sums:
        files[MD5SUM_TXT] = refreshed(base.md5sums, files).encode("utf-8", errors="surrogateescape")
    when = build_time(base, manifest.source_date_epoch)
    return Plan(
        method=method,
        menu=menu,
        grafts=tuple(Graft(target=target, content=content) for target, content in files.items()),
        manifest=manifest,
        modified=volume_date(when, menu.build_id),
        when=when,
    )


def menu_of(order: Order, base: BaseIso, hosts: tuple[Host, ...], *, detects: bool) -> Menu:
    """The menu for ``hosts``, which can detect the machine if it ``detects``; it has no build id yet.

    Raises ``UsageError`` for an order with ``auto`` whose menu cannot detect a machine.
    """
    if order.auto and not detects:
        raise UsageError(
            "--auto needs match keys, and none of the selected hosts has any",
            hint="add `match:` to the host_vars of each host",
        )
    entries = in_menu_order([entry_of(host, base) for host in sorted(hosts, key=lambda host: host.menu_order)])
    detect = replace(detect_entry(base, entries), serial_console=shared_console(entries)) if detects else None
    return Menu(
        name=order.name,
        build_id="0" * 12,
        entries=entries,
        default_host=order.default_host,
        timeout_s=order.timeout_s,
        auto=order.auto,
        colors=order.menu_colors,
        hidden=order.hidden_menu,
        signed_serial=base.has_signed_serial,
        password_hash=order.password_hash,
        about=(f"{base.title}", f"{len(hosts)} hosts, installed by isoforge {__version__}"),
        detect=detect,
        placeholders=smbios.PLACEHOLDERS,
        placeholder_patterns=smbios.PLACEHOLDER_PATTERNS,
    )


def method_for(order: Order, base: BaseIso) -> Method:
    """How the ISO is written: as a graft, unless the order or the base ISO does not allow it."""
    if order.unpack:
        return Method.UNPACK
    if base.obstacle:
        log.info("%s: nothing can be added behind it (%s); its files are copied in one pass", base.path, base.obstacle)
        return Method.REPACK
    return Method.GRAFT


def with_build_id(menu: Menu, new_id: str) -> Menu:
    """``menu`` for the build ``new_id``, whose entries accept its own medium and no other."""
    menu = replace(menu, build_id=new_id)
    return replace(
        menu,
        entries=tuple(replace(entry, medium=menu.medium) for entry in menu.entries),
        detect=replace(menu.detect, medium=menu.medium) if menu.detect else None,
    )


def build_id(menu: Menu, base: BaseIso, seed_files: Mapping[PurePosixPath, bytes]) -> str:
    """12 hex digits computed from all inputs: the same inputs give the same digits."""
    digest = hashlib.sha256()
    for text in (__version__, base.modified, base.title, base.md5sums, *menu_files(menu, base).values()):
        digest.update(hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).digest())
    for target, content in seed_files.items():
        digest.update(hashlib.sha256(str(target).encode()).digest() + hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def describe(
    menu: Menu,
    base: BaseIso,
    medium: MediumFiles,
    xorriso_version: str,
    *,
    guards: Mapping[str, tuple[str, ...] | None],
    boot: tuple[BootDigest, ...],
) -> Manifest:
    """The manifest as it goes onto the ISO; ``guards`` are the match keys that each host's seed compares, None for one
    without a guard."""

    def digest(host: str, name: str) -> str:
        return sha256(medium.seeds[SEEDS_FOLDER / host / name])

    by_host = positions(menu)
    replaced = [path for path, text in ((LOOPBACK_CFG, base.loopback_menu), (MD5SUM_TXT, base.md5sums)) if text]
    replaced += [base.shadowing] if base.shadowing else []
    return Manifest(
        name=menu.name,
        build_id=menu.build_id,
        base_iso=BaseFacts(
            title=base.title,
            release=base.release,
            arch=base.arch,
            volume_id=base.volume_id,
            modified=base.modified,
            boot=boot,
        ),
        hosts=tuple(
            HostFacts(
                name=entry.host,
                title=entry.title,
                kernel=str(entry.kernel.vmlinuz),
                initrd=str(entry.kernel.initrd),
                kernel_line=entry.kernel_line,
                seed=f"{SEEDS_FOLDER / entry.host}/",
                user_data_sha256=digest(entry.host, "user-data"),
                meta_data_sha256=digest(entry.host, "meta-data"),
                vendor_data_sha256=digest(entry.host, "vendor-data"),
                guarded=guards.get(entry.host) is not None,
                match=guards.get(entry.host) or (),
                **_files_of(SEEDS_FOLDER / entry.host, medium.seeds),
                submenu=tuple(submenu.title for submenu in by_host[entry.host].submenus),
            )
            for entry in menu.entries
        ),
        default_host=menu.default_host,
        timeout_s=menu.timeout_s,
        replaced=tuple(str(path) for path in (GRUB_CFG, *replaced, *base.casper_uuids)),
        isoforge_version=__version__,
        xorriso_version=xorriso_version,
        medium=menu.medium,
        detect=menu.detect is not None,
        detect_files=file_facts(medium.detection),
        scripts=file_facts(medium.scripts),
        report_files=file_facts(medium.report),
        auto=menu.auto,
        menu_password=bool(menu.password_hash),
    )


def _files_of(folder: PurePosixPath, seeds: Mapping[PurePosixPath, bytes]) -> dict[str, Any]:
    """The manifest's record of the files in a host's ``folder`` that its installed system gets."""
    table = seeds.get(folder / FILES_TABLE)
    if table is None:
        return {}
    facts = [
        TargetFileFacts(
            path=str((folder / FILES_TABLE).with_name(row.name)),
            sha256=row.sha256,
            target=row.target,
            owner=row.owner,
            mode=row.mode,
        )
        for row in rows_of(table)
    ]
    return {"files": tuple(facts), "files_table_sha256": sha256(table)}


def file_facts(files: Mapping[PurePosixPath, bytes]) -> tuple[FileFacts, ...]:
    """The manifest's record of each of ``files``."""
    return tuple(FileFacts(path=str(path), sha256=sha256(content)) for path, content in files.items())
