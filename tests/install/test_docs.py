"""What the documentation tells people to type is typed here, and what it says comes out of it."""

from __future__ import annotations

import copy
import json
import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import typer
from typer.core import TyperGroup

from isoforge import __version__
from isoforge.cli.main import app
from isoforge.image.tree import read_file, read_tree
from isoforge.run import run
from tests.conftest import ROOT
from tests.install.conftest import ISO

PAGES = sorted(page.relative_to(ROOT).as_posix() for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))

TRANSLATED = {"docs/guide.fr.md": "docs/guide.md"}
"""Pages whose blocks are the other page's, to the letter: they are typed once."""

NOT_RUN = {
    "README.md": 4, "docs/guide.md": 8, "docs/guide.fr.md": 8, "docs/secrets.md": 4, "docs/exit-codes.md": 1,
    "docs/proof.md": 2, "docs/graft.md": 1, "docs/howto/import.md": 1, "docs/howto/collect.md": 3, "docs/safety.md": 1,
    "docs/howto/bmc.md": 1, "docs/howto/keep-isos.md": 2, "docs/howto/rehearse.md": 1, "docs/howto/write-sticks.md": 3,
    "docs/first-steps.md": 5, "CONTRIBUTING.md": 2,
}  # fmt: skip
"""How many blocks of a page are not typed here: they want a network, a stick, a container engine or a person's own
files. Whoever adds one raises the number, so that no command is left out unseen."""

SHELL, PYTHON = ("sh", "console"), "python"

FENCED = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)

OF_ANOTHER_KIND = {"docs/inventory.md": 1}
"""Blocks with commands that bear no language: the page about the inventory shows what docs/secrets.md types."""

OTHER_WORDS = r"\b(inject\w*|patch\w*|payload\w*|artifact\w*|artefact\w*|custom\w*|magic\w*|seamless\w*|blazing\w*)\b"
"""What the project says otherwise (seed, graft, draft), and what it does not say at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page: the words behind its fence, the line it starts in, its text."""

    info: tuple[str, ...]
    line: int
    text: str

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    @property
    def is_left_out(self) -> bool:
        return "not-run" in self.info


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text("utf-8")
    for found in FENCED.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(info=tuple(found["info"].split()), line=line, text=textwrap.dedent(found["text"]))


def commands(page: str) -> list[Block]:
    return [block for block in blocks(page) if block.language in (*SHELL, PYTHON)]


def typed(block: Block) -> str:
    """What is typed: the block itself, or of a console the lines behind ``$``."""
    if block.language != "console":
        return block.text
    lines = block.text.splitlines()
    return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def shown(block: Block) -> re.Pattern[str]:
    """What a console shows, as a pattern: ``…`` stands for anything, alone on a line for any number of lines."""
    lines = [line for line in block.text.splitlines() if not line.startswith("$ ")]
    patterns = [r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in lines]
    return re.compile("".join(patterns))


def environment(clone: Path) -> dict[str, str]:
    """A person's machine with isoforge installed, and a home of their own."""
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": f"{clone / '.venv/bin'}:{os.environ['PATH']}", "HOME": str(home), "PYTHONPATH": str(clone)}


def follow(block: Block, clone: Path) -> None:
    """Type ``block`` in ``clone``; a failing command fails, unless the block shows what comes of it."""
    if block.language == PYTHON:
        run(str(clone / ".venv/bin/python"), "-c", block.text, cwd=clone, env=environment(clone))
    elif block.language == "console":
        said = run("bash", "-c", f"exec 2>&1\n{typed(block)}", cwd=clone, env=environment(clone))
        assert shown(block).fullmatch(said), f"line {block.line} shows something else than was said:\n{said}"
    else:
        run("bash", "-euo", "pipefail", "-c", typed(block), cwd=clone, env=environment(clone))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in TRANSLATED and commands(page)])
def test_every_command_of_a_page_does_what_the_page_says(
    page: str, fresh_clone: Callable[[Path], Path], tmp_path: Path
) -> None:
    clone = fresh_clone(tmp_path / "isoforge")
    for block in commands(page):
        if not block.is_left_out:
            follow(block, clone)


def test_blocks_that_are_not_typed_here_are_counted() -> None:
    left_out = {page: sum(block.is_left_out for block in blocks(page)) for page in PAGES}
    assert {page: count for page, count in left_out.items() if count} == NOT_RUN


def test_no_command_hides_in_a_block_of_another_kind() -> None:
    command = re.compile(r"^\s*(\$ |(isoforge|make|sops|age-keygen|sudo|docker|python3|git) \S)", re.MULTILINE)
    hiding: Counter[str] = Counter()
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert "~~~" not in text
        assert text.count("```") == 2 * len(list(blocks(page))), f"{page} has a fence that is not seen here"
        others = [block for block in blocks(page) if block.language not in (*SHELL, PYTHON)]
        hiding[page] += sum(bool(command.search(block.text)) for block in others)
        hiding[page] += len(re.findall(r"^(?: {4}|\t)\$ ", FENCED.sub("", text), re.MULTILINE))
    assert +hiding == OF_ANOTHER_KIND


@pytest.mark.parametrize(("page", "original"), TRANSLATED.items())
def test_a_translation_has_the_commands_of_the_original(page: str, original: str) -> None:
    assert [(block.info, block.text) for block in commands(page)] == [
        (block.info, block.text) for block in commands(original)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = FENCED.sub("", (ROOT / page).read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page} links to {target}"


def anchors(page: Path) -> set[str]:
    """The names by which GitHub lets a page's headings be linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme_by_way_of_the_list_of_pages() -> None:
    assert "](docs/README.md)" in (ROOT / "README.md").read_text("utf-8")
    listed = set(re.findall(r"\]\(([^)#\s:]+\.md)", (ROOT / "docs/README.md").read_text("utf-8")))
    assert {page for page in PAGES if page not in ("README.md", "docs/README.md")} <= {
        os.path.normpath(f"docs/{page}") for page in listed
    }


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_module_and_every_part_of_the_package_is_on_the_pages_for_contributors(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    package = ROOT / "isoforge"
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("_")}
    parts = [path.parent for path in package.rglob("__init__.py") if path.parent != package]
    leaves = {path.name for path in parts if not any(other.parent == path for other in parts)}
    assert modules <= set(re.findall(r"\w+\.py", text))
    assert leaves <= set(re.findall(r"(\w+)/", text))


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert re.search(rf"^## {re.escape(__version__)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)


@pytest.mark.parametrize("page", PAGES)
def test_pages_speak_of_verbs_that_exist(page: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    text = (ROOT / page).read_text("utf-8")
    code = [block.text for block in blocks(page)] + re.findall(r"`([^`\n]+)`", FENCED.sub("", text))
    said = {
        verb for piece in code for verb in re.findall(r"(?:^|[$;&|] *)isoforge ([a-z][a-z-]*)", piece, re.MULTILINE)
    }
    assert said <= set(group.commands)


@pytest.mark.parametrize("page", PAGES)
def test_pages_use_the_words_of_the_project(page: str) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(OTHER_WORDS, text, re.IGNORECASE) == []


def test_the_picture_of_the_menu_is_a_small_png() -> None:
    picture = (ROOT / "docs/menu.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) < 60_000
    assert "](docs/menu.png)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("told_as", "words"),
    [
        ("hosts --json", ["hosts", "--json"]),
        ("hosts HOST --explain --json", ["hosts", "site-a-m710q1", "--explain", "--json"]),
        ("check --json", ["check", "--json"]),
        ("plan --format json", ["plan"]),
        ("verify --json", ["verify", ISO, "--json"]),
        ("inspect --json", ["inspect", ISO, "--json"]),
        ("diff --json", ["diff", ISO, ISO, "--json"]),
        ("doctor --json", ["doctor", "--json"]),
        ("discover --json", ["discover", "--json"]),
    ],
)
def test_the_page_about_the_library_names_the_keys_of_json_documents(
    told_as: str, words: list[str], pristine: Path
) -> None:
    page = (ROOT / "docs/library.md").read_text("utf-8")
    row = re.search(rf"^\| `{re.escape(told_as)}` \| (.*) \|$", page, re.MULTILINE)
    assert row is not None
    as_it_is = {"PYTHONDONTWRITEBYTECODE": "1"}
    told = json.loads(run(sys.executable, "-m", "isoforge", *words, cwd=pristine, env=as_it_is))
    keys = row[1].partition(": a list of ")[0] if isinstance(told, dict) else row[1]
    assert set(told[0] if isinstance(told, list) else told) == set(re.findall(r"`(\w+)`", keys)) - {"multi"}


# The manifest


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded = json.loads((ROOT / "docs/manifest.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(loaded)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def manifests(fresh_clone: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A real manifest as it lies beside the ISO, and the one on the ISO."""
    clone = fresh_clone(tmp_path_factory.mktemp("manifest") / "isoforge")
    words = ["multi", "--host", "site-a-m710q1", "--name", "n", "--default-host", "site-a-m710q1", "--render"]
    run(sys.executable, "-m", "isoforge", *words, cwd=clone, env=environment(clone))
    folder = clone / "baremetal/autoinstall/generated/_multi/n"
    iso = folder / "ubuntu-autoinstall-n.iso"
    inside = read_file(iso, read_tree(iso)[PurePosixPath("/isoforge/manifest.json")])
    return [json.loads((folder / "manifest.json").read_text("utf-8")), json.loads(inside)]


def test_real_manifests_follow_the_published_schema(schema: dict[str, Any], manifests: list[Any]) -> None:
    for manifest in manifests:
        jsonschema.validate(manifest, schema, cls=jsonschema.Draft202012Validator)
        found = list(names(manifest))
        known = named_in(schema, schema)
        assert found == [name for name in known if name in found or not is_in_nothing(manifest, name)]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2),
        (("hosts",), []),
        (("hosts", 0, "kernel_line"), "ds=nocloud"),
        (("hosts", 0, "seed"), "/nocloud/elsewhere"),
        (("hosts", 0, "user_data_sha256"), "abc"),
        (("base_iso", "release"), "noble"),
        (("timeout_s",), -1),
        (("iso",), "a.iso"),
        (("build_id",), None),
    ],
)
def test_the_schema_refuses_what_is_no_manifest(
    schema: dict[str, Any], manifests: list[Any], path: tuple[str | int, ...], value: object
) -> None:
    changed = copy.deepcopy(manifests[0])
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    assert not jsonschema.Draft202012Validator(schema).is_valid(changed)


def test_the_page_about_the_manifest_names_every_key(schema: dict[str, Any]) -> None:
    page = (ROOT / "docs/manifest.md").read_text("utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert told == list(named_in(schema, schema))


def names(value: Any, above: str = "") -> Iterator[str]:
    """The dotted names of every key in ``value``, ``[]`` standing for a list's items; null has none below it."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield f"{above}{key}"
            if above + key == "iso" and child is None:
                yield from ("iso.file", "iso.size", "iso.sha256")
            yield from names(child, f"{above}{key}.")
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from names(value[0], f"{above.removesuffix('.')}[].")


def is_in_nothing(manifest: Any, name: str) -> bool:
    """Whether ``name`` is below a key of ``manifest`` whose value is null or an empty list."""
    values = [manifest]
    for key in name.split(".")[:-1]:
        values = [value[key.removesuffix("[]")] for value in values]
        values = [one for value in values for one in (value if isinstance(value, list) else [value])]
        if not any(values):
            return True
    return False


def named_in(schema: Mapping[str, Any], whole: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The dotted names of every key that ``schema`` describes, in its order."""
    for key, child in schema.get("properties", {}).items():
        yield f"{above}{key}"
        for below in (child, *child.get("anyOf", []), *child.get("oneOf", [])):
            reference = below.get("$ref", "").removeprefix("#/$defs/")
            inner = whole["$defs"][reference] if reference else below
            yield from named_in(inner, whole, f"{above}{key}.")
        items = child.get("items", {})
        reference = items.get("$ref", "").removeprefix("#/$defs/")
        yield from named_in(whole["$defs"][reference] if reference else items, whole, f"{above}{key}[].")
