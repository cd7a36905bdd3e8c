"""Whatever stands on an ISO is text in a table of Markdown, and nothing else."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from isoforge.cli.markdown import code, contents_markdown, table
from isoforge.proof.manifest import BaseFacts, Manifest
from isoforge.proof.read.inspect import Contents, HostSeed, SeedFile

READER = MarkdownIt("commonmark").enable("table")


def cells(text: str) -> list[str]:
    """The cells of the table in ``text`` as a reader shows them; their markup taken out."""
    tokens = READER.parse(text)
    assert {token.type.partition("_")[0] for token in tokens} <= {"table", "thead", "tbody", "tr", "th", "td", "inline"}
    shown = [READER.renderer.render([token], READER.options, {}) for token in tokens if token.type == "inline"]
    assert all(re.fullmatch(r"(<code>[^<]*</code>)?", cell) for cell in shown[2:])
    return [html.unescape(cell.removeprefix("<code>").removesuffix("</code>")) for cell in shown]


@given(st.text(st.characters(codec="utf-8")))
@example("a|b\\|c")
@example("``` `")
@example("@somebody <b>#1</b> [x](y) &amp; https://example.org")
@example("_0_\u02d2")
@example("one\n| two |\r\n\n# three")
def test_any_text_is_one_cell_and_reads_as_it_was(text: str) -> None:
    shown = cells(table(("heading", "next"), [(code(text), "")]))
    words = " ".join("".join(char if char.isprintable() or char.isspace() else "\ufffd" for char in text).split())
    assert shown == ["heading", "next", words, ""]


def test_plain_words_stay_readable() -> None:
    assert code("Ubuntu-Server 24.04 LTS (20240423)") == "`Ubuntu-Server 24.04 LTS (20240423)`"


@pytest.mark.parametrize(
    ("auto", "default_host", "said"),
    [(False, None, "the local disk"), (False, "h|1", "h&#124;1"), (True, None, "Detect this machine")],
)
def test_tables_tell_base_hosts_and_digests(auto: bool, default_host: str | None, said: str) -> None:
    base = BaseFacts(
        title='Ubuntu-Server 24.04 LTS "Noble"', release="24.04", arch="amd64", volume_id="U", modified="", file=None,
        size=None, sha256=None,
    )  # fmt: skip
    manifest = Manifest(
        name="n", build_id="0123456789ab", isoforge_version="1", base_iso=base, default_host=default_host, timeout_s=9,
        auto=auto, hosts=(), replaced=(), xorriso_version="1.5.6",
    )  # fmt: skip
    files = (
        SeedFile(path="/nocloud/h|1/user-data", size=3, sha256="ab" * 32),
        SeedFile(path="/nocloud/h|1/vendor-data", size=0, sha256="e3" * 32),
    )
    host = HostSeed(name="h|1", folder="/nocloud/h|1/", entries=("Install `it`",), files=files)
    told = Contents(
        file="a.iso", size=5, volume_id="U", modified="", title="t", release="24.04", arch="amd64", kernels=(),
        partitions=(), boot_records=(), menu=(), hosts=(host,), manifest=manifest,
    )  # fmt: skip
    page = contents_markdown(told, "cd" * 32)
    assert page.startswith("### `a.iso`\n\n| ")
    assert f"| SHA-256 | `{'cd' * 32}` |\n" in page
    assert "| base ISO | <code>Ubuntu-Server 24.04 LTS &#34;Noble&#34;</code> |\n" in page
    assert said in page
    assert "| host | menu entry | user-data |\n" in page
    assert page.endswith(f"| <code>h&#124;1</code> | <code>Install &#96;it&#96;</code> | `{'ab' * 32}` |\n")
