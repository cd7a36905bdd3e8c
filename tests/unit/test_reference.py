"""The reference pages say what the code says, and what they show as an example can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from isoforge.cli.main import app
from isoforge.errors import ForgeError
from scripts.reference import DOCS, Verb, cli_page, exit_codes, pages, verbs

VERBS = verbs()[1:]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_says_what_the_code_says(page: Path) -> None:
    assert page.read_text("utf-8") == pages()[page], "make docs writes it anew"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_an_example_that_can_be_typed(verb: Verb) -> None:
    typed = re.split(r" [|>&]", verb.example)[0]
    isoforge, name, *words = shlex.split(typed)
    assert (isoforge, name) == ("isoforge", verb.name)
    command: Any = typer.main.get_command(app)
    command.commands[name].make_context(name, words)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_option_is_explained(verb: Verb) -> None:
    assert [word.typed for word in verb.words if word.is_option and not word.meaning] == []


def test_the_list_of_verbs_tells_each_in_a_whole_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = CliRunner().invoke(app, ["--help"]).stdout
    _, heading, commands = told.partition("Commands:")
    assert heading
    assert "..." not in commands


def test_a_verb_is_on_the_page_once_with_its_words_and_its_other_names() -> None:
    page = cli_page()
    (gen,) = [verb for verb in VERBS if verb.name == "gen"]
    assert gen.aliases == ("render",)
    assert page.count("\n## `isoforge gen`\n") == 1
    assert "`isoforge full --host TEXT [OPTION]...`" in page
    assert "| `--grub-timeout, --timeout SECONDS` | `30` |" in page
    assert "synthetic-base" not in page


def test_exit_codes_are_those_of_the_errors_and_of_their_page() -> None:
    told = [code for code, _ in exit_codes()]
    assert {str(kind.exit_code) for kind in below(ForgeError)} <= set(told)
    page = (DOCS / "exit-codes.md").read_text("utf-8")
    on_the_page = [code for cell in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) for code in cell.split(", ")]
    assert sorted(on_the_page) == sorted(told)


def below(kind: type[ForgeError]) -> list[type[ForgeError]]:
    return [found for child in kind.__subclasses__() for found in (child, *below(child))]
