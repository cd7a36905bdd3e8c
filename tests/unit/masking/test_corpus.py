"""The corpus of secrets: each is found wherever it stands, and what is none stays as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from isoforge.fleet.check.engine import check_user_data
from isoforge.masking.document import UNREADABLE, masked
from isoforge.masking.text import find_in_words, mask

CORPUS: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "corpus/secrets.yaml").read_text(encoding="utf-8").replace("§", "")
)
HARMLESS = CORPUS["harmless"]


class Marked(NamedTuple):
    """A text without its marks, and the secrets that were between them."""

    text: str
    secrets: list[str]

    @classmethod
    def of(cls, text: str) -> Marked:
        return cls(text.replace("«", "").replace("»", ""), re.findall("«([^»]*)»", text))


TEXTS = [(Marked.of(one["text"]), one.get("warns", False), one.get("keeps", "")) for one in CORPUS["texts"]]
WORDS = [([Marked.of(word) for word in one["words"]], one.get("warns", False)) for one in CORPUS["words"]]
DOCUMENTS = [Marked.of(one) for one in CORPUS["documents"]]


def warnings_of(document: str) -> list[str]:
    return [one.id for one in check_user_data(f"#cloud-config\n{document}".encode(), file="user-data") if one.leak]


def assert_nothing_of(secrets: list[str], shown: str) -> None:
    for secret in secrets:
        for part in secret.split():
            assert part not in shown, shown


def test_the_corpus_is_large_enough() -> None:
    assert len(TEXTS) + len(WORDS) + len(DOCUMENTS) >= 80
    assert sum(map(len, HARMLESS.values())) >= 40
    assert all(secrets for (_, secrets), _, _ in TEXTS)


@pytest.mark.parametrize(("marked", "keeps"), [(one, keeps) for one, _, keeps in TEXTS], ids=lambda one: str(one)[:60])
def test_secret_in_a_text_is_masked_and_what_is_beside_it_stays(marked: Marked, keeps: str) -> None:
    shown = mask(marked.text)
    assert_nothing_of(marked.secrets, shown)
    assert keeps in shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "words", [words for words, _ in WORDS], ids=lambda words: " ".join(one.text for one in words)[:60]
)
def test_secret_in_a_list_of_words_is_masked(words: list[Marked]) -> None:
    document = yaml.safe_dump({"late-commands": [[one.text for one in words]]})
    for flow in (True, False):
        document = yaml.safe_dump({"late-commands": [[one.text for one in words]]}, default_flow_style=flow)
        shown = masked(document)
        assert_nothing_of([secret for one in words for secret in one.secrets], shown)
        assert len(yaml.safe_load(shown)["late-commands"][0]) == len(words)


@pytest.mark.parametrize("marked", DOCUMENTS, ids=lambda one: one.text[:60])
def test_secret_in_a_document_is_masked(marked: Marked) -> None:
    shown = masked(marked.text)
    assert shown != UNREADABLE
    assert_nothing_of(marked.secrets, shown)
    assert masked(shown) == shown
    assert yaml.safe_load(shown)


@pytest.mark.parametrize("text", HARMLESS["texts"])
def test_text_without_a_secret_stays_to_the_letter(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("words", HARMLESS["words"])
def test_words_without_a_secret_stay(words: list[str]) -> None:
    assert find_in_words(words) == [[] for _ in words]


@pytest.mark.parametrize("document", HARMLESS["documents"])
def test_document_without_a_secret_stays_to_the_letter(document: str) -> None:
    assert masked(document) == document


@pytest.mark.parametrize("text", [one.text for one, warns, _ in TEXTS if warns])
def test_the_checker_warns_of_a_secret_in_a_command(text: str) -> None:
    assert warnings_of(yaml.safe_dump({"autoinstall": {"late-commands": [text]}})) == ["plain-text-secret"]


@pytest.mark.parametrize("words", [words for words, warns in WORDS if warns])
def test_the_checker_warns_of_a_secret_in_a_list_of_words(words: list[Marked]) -> None:
    document = {"autoinstall": {"late-commands": [[one.text for one in words]]}}
    assert warnings_of(yaml.safe_dump(document)) == ["plain-text-secret"]


@pytest.mark.parametrize("text", HARMLESS["texts"])
def test_the_checker_does_not_warn_of_a_text_without_a_secret(text: str) -> None:
    assert warnings_of(yaml.safe_dump({"autoinstall": {"late-commands": [text]}})) == []
