"""The recipe: hosts and a base ISO in, one proven ISO out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from isoforge.atomic import refuse_irregular, refuse_same_file, refuse_without_room
from isoforge.collect import Fleet, base_at_hand, check, check_files, collect_hosts, collect_seeds, gen, refuse_unwanted
from isoforge.errors import ProofError, ToolError
from isoforge.hook import refuse_unusable_hook, run_hook, settle_times
from isoforge.image.base import BaseIso, read_base, reading
from isoforge.image.cidata import write_cidata
from isoforge.image.digests import digests_of, fill
from isoforge.image.repack import Method, repack, stage, unpack
from isoforge.image.unchanged import unchanged
from isoforge.image.xorriso import require_xorriso
from isoforge.official.origin import description, warned_origin
from isoforge.order import Order, find_base_iso, refuse_default, refuse_order
from isoforge.plan import Plan, make_plan
from isoforge.proof.manifest import BaseFacts, HookFacts, ImageFile, Manifest
from isoforge.proof.read.boot_parts import boot_digests_of
from isoforge.proof.verify.verify import structural
from isoforge.rebuild import refuse_difference, refuse_other_base
from isoforge.release import Release
from isoforge.report_files import ReportFiles, report_files
from isoforge.run import run
from isoforge.selection import EVERY_HOST, Selection
from isoforge.signature import SUFFIX, sign
from isoforge.staging import publish, staging_directory
from isoforge.templates import render
from isoforge.workspace import Workspace

__all__ = [
    "EVERY_HOST",
    "BuildResult",
    "Listener",
    "Order",
    "Selection",
    "Step",
    "Workspace",
    "base_at_hand",
    "check",
    "check_files",
    "gen",
    "multi",
    "seed_iso",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a build is: the name of the phase, and ``done`` of ``total`` bytes (0 of 0: not counted)."""

    phase: str
    done: int = 0
    total: int = 0


Listener = Callable[[Step], object]
"""A function that is called with each step of a build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The files that a build has written: the ISO, its manifest, the summary for the operator, and the manifest's
    ``signature`` if one was wanted."""

    iso: Path
    manifest_file: Path
    summary: Path
    manifest: Manifest
    signature: Path | None = None


def ignore(step: Step) -> None:
    """The listener that does nothing."""


def multi(order: Order, listen: Listener = ignore) -> BuildResult:
    """Build the ISO that ``order`` describes, verify it, and only then save it under its name.

    Raises a ``ForgeError`` whose class says who has to act; an ISO of an earlier build is then left untouched.
    """
    refuse_order(order)
    if order.hook is not None:
        refuse_unusable_hook(order.hook)
    xorriso_version = require_xorriso()
    base_iso = order.base_iso or find_base_iso()
    with reading(base_iso):
        refuse_same_file(order.output_iso, base_iso)
        refuse_other_base(order.rebuild_of, base_iso)
    listen(Step(phase="reading the inventory"))
    fleet = collect_hosts(order.workspace, order.selection)
    refuse_default(order, [host.name for host in fleet.hosts])
    with staging_directory(order.output_iso) as staging:
        refuse_unusable_key(order.sign, staging)
        with reading(base_iso), unchanged(base_iso):
            listen(Step(phase="reading the base ISO"))
            base = read_base(base_iso, subfolder(staging, "base"))
            base, hook = after_hook(order, base, subfolder(staging, "tree"), listen)
            plan = plan_build(order, base, fleet, xorriso_version, hook=hook)
            del fleet  # the inventory of a large one takes more memory than its plan, which has all that is needed
            draft, manifest = write_and_prove(order, base, plan, staging / order.output_iso.name, listen)
        refuse_difference(order.rebuild_of, manifest)
        listen(Step(phase="saving the ISO"))
        return save(order.output_iso, draft, manifest, key=order.sign)


def after_hook(order: Order, base: BaseIso, tree: Path, listen: Listener) -> tuple[BaseIso, HookFacts | None]:
    """The ``base`` as the hook of ``order`` leaves it, unpacked in ``tree``, and what the hook did; without one, the
    base itself."""
    if order.hook is None:
        return base, None
    refuse_without_room(tree, base.size * 2)
    listen(Step(phase="unpacking the base ISO"))
    unpack(base, tree)
    listen(Step(phase="running the hook"))
    hooked = run_hook(order.hook, base, tree, name=order.name)
    return replace(base, md5sums=hooked.md5sums), hooked.facts


def plan_build(
    order: Order, base: BaseIso, fleet: Fleet, xorriso_version: str, *, hook: HookFacts | None = None
) -> Plan:
    """The plan of ``order``: the seeds of ``fleet`` rendered or read, and checked for the ``base`` ISO, which ``hook``
    has changed."""
    seeds = collect_seeds(order, fleet, Release.of(base.release), base.contents)
    refuse_unwanted(order, seeds)
    plan = make_plan(order, base, fleet.hosts, seeds, xorriso_version, boot=boot_digests_of(base.path), hook=hook)
    refuse_difference(order.rebuild_of, plan.manifest)
    return plan


def write_and_prove(
    order: Order, base: BaseIso, plan: Plan, draft: Path, listen: Listener = ignore
) -> tuple[Path, Manifest]:
    """Write the ISO of ``plan`` to ``draft`` in a staging directory and verify it; returns it and its manifest."""
    size, method = base.size, plan.method
    added = sum(len(graft.content) for graft in plan.grafts)
    refuse_without_room(draft.parent, size * (2 if method is Method.UNPACK else 1) + added)
    tree = draft.parent / "tree"
    tree.mkdir(mode=0o700, exist_ok=True)
    if method is Method.UNPACK and order.hook is None:
        listen(Step(phase="unpacking the base ISO"))
        unpack(base, tree)
    if plan.manifest.hook is not None:
        settle_times(base, tree, plan.manifest.hook, plan.when.timestamp())
    stage(plan.grafts, tree, when=plan.when)

    def writing(done: int, total: int = size) -> None:
        listen(Step(phase="writing the ISO", done=done, total=total))

    writing(0)
    repack(
        base,
        tree,
        draft,
        modified=plan.modified,
        method=method,
        on_line=lambda line: writing(bytes_written(line, size if method is not Method.GRAFT else 0)),
    )
    base_sha256 = sha256 = None
    if method is Method.GRAFT:
        base_sha256, sha256 = fill(draft, base.source, base.inside, listen=writing, digests=not order.fast)
    draft.chmod(0o600)
    listen(Step(phase="verifying the ISO"))
    prove(draft, base, plan)
    if method is not Method.GRAFT and not order.fast:
        base_sha256, sha256 = digests_of(
            base.source,
            draft,
            listen=lambda done, total: listen(Step(phase="computing digests", done=done, total=total)),
        )
    origin = warned_origin(base.path, base_sha256)
    manifest = replace(
        plan.manifest,
        iso=ImageFile(file=draft.name, size=draft.stat().st_size, sha256=sha256),
        base_iso=replace(
            plan.manifest.base_iso,
            file=base.path.name,
            size=size,
            sha256=base_sha256,
            origin=origin.origin.value,
            official_name=origin.name or None,
        ),
        source_commit=source_commit(order.workspace.baremetal),
        method=method.value,
    )
    return draft, manifest


def seed_iso(order: Order) -> Path:
    """Build the CIDATA ISO of the one host of ``order`` beside its seed, and return its path.

    The seed is rendered or read, and checked, as `multi` does; raises what `multi` raises for that.
    """
    refuse_order(order)
    require_xorriso()
    fleet = collect_hosts(order.workspace, order.selection)
    (host,) = fleet.hosts
    goal = order.workspace.generated / host.name / f"seed-{host.name}.iso"
    with staging_directory(goal) as staging:
        (seed,) = collect_seeds(order, fleet, release=None)
        refuse_unwanted(order, (seed,))
        draft = staging / goal.name
        files = {name: content for name, content in seed.files.items() if content or name != "vendor-data"}
        reports = report_files(order.workspace, fleet.hosts) if order.report else ReportFiles()
        files |= {str(path).lstrip("/"): content for path, content in reports.with_token(host.name).items()}
        write_cidata(draft, files, subfolder(staging, "tree"))
        publish({draft: goal})
    return goal


def prove(draft: Path, base: BaseIso, plan: Plan) -> None:
    """Raise ``ProofError`` with every difference between the plan and the draft."""
    staged = {graft.target: graft.content for graft in plan.grafts}
    records = {file.stem: file.read_bytes() for file in base.boot_records.iterdir()}
    checks = structural(draft, base=base.path, manifest=plan.manifest, staged=staged, boot_records=records)
    faults = [f"{check.name}: {fault}" for check in checks for fault in check.faults]
    if faults:
        raise ProofError("the ISO differs from its plan and was not kept", problems=faults)


def source_commit(folder: Path) -> str | None:
    """The git commit that the inventory in ``folder`` is at, or None outside a git repository."""
    try:
        return run("git", "-C", folder, "rev-parse", "--verify", "HEAD").strip()
    except ToolError:
        return None


def save(goal: Path, draft: Path, manifest: Manifest, *, key: Path | None = None) -> BuildResult:
    """Write manifest, summary and signature beside the draft and rename all to their final names, the ISO first.

    The signature of an earlier build is removed if this one has none: it is not one of this manifest.
    """
    manifest_file = goal.with_name("manifest.json")
    signature = manifest_file.with_name(manifest_file.name + SUFFIX)
    result = BuildResult(
        iso=goal,
        manifest_file=manifest_file,
        summary=goal.with_name("SUMMARY.txt"),
        manifest=manifest,
        signature=signature if key else None,
    )
    texts = {
        result.manifest_file: manifest.to_json(),
        result.summary: render(
            "SUMMARY.txt.j2",
            {"manifest": asdict(manifest), "iso": goal.name, "base_origin": words_of(manifest.base_iso)},
        ),
    }
    for path, text in texts.items():
        (draft.parent / path.name).write_text(text, "utf-8")
    if not key:
        refuse_irregular([signature])
    drafts = {draft: goal, **{draft.parent / path.name: path for path in texts}}
    if key:
        drafts[sign(draft.parent / manifest_file.name, key)] = signature
    publish(drafts)
    if not key:
        signature.unlink(missing_ok=True)
    return result


def words_of(base: BaseFacts) -> str:
    """Whether the base ISO is official, in words."""
    return description(base.origin, base.official_name, has_digest=bool(base.sha256))


def refuse_unusable_key(key: Path | None, staging: Path) -> None:
    """Raise ``UsageError`` if ``key`` cannot sign, before minutes go into a build."""
    if key is not None:
        trial = staging / "trial"
        trial.touch(mode=0o600)
        sign(trial, key).unlink()
        trial.unlink()


def subfolder(staging: Path, name: str) -> Path:
    """A new private folder in the staging directory."""
    folder = staging / name
    folder.mkdir(mode=0o700)
    return folder


def bytes_written(line: str, size: int) -> int:
    """How many of ``size`` bytes are written, from a line that xorriso prints while it writes."""
    update = re.search(r"UPDATE : +(\d+(?:\.\d+)?)% done", line)
    return int(float(update.group(1)) / 100 * size) if update else 0
