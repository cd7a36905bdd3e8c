"""Commands before dash, the sh of the live system: what it cannot parse the checker refuses, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sh
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isoforge.fleet.check.commands import CLOUD_LISTS, LISTS, scripts
from isoforge.fleet.check.shell import bashisms
from isoforge.fleet.check.shell_syntax import syntax_flaw

ROOT = Path(__file__).parents[2]
SEEDS = [
    *sorted((ROOT / "tests/corpus").glob("*/*.user-data")),
    *sorted((ROOT / "tests/golden/seeds").glob("*.user-data")),
]

STRICTER = {
    "heredoc-folded": "dash takes a here-document without lines for an empty one, and only warns",
}
"""Ids of what the checker refuses although dash parses it, and why."""

EXCEPTIONS = {
    "in backquotes, dash reads nothing behind what no command goes on with": (
        r"`[^`]*(?:[()]|;;|\}|\b(?:then|else|elif|fi|do|done|esac)\b)"
    ),
    "${name$…} is a bad substitution, which dash finds when it runs it": r"\$\{\w*\$",
}  # fmt: skip
"""What scripts the two may differ on, and why."""


def can_parse(script: str) -> bool:
    """Whether dash can parse ``script``."""
    call = sh.Command("dash")("-n", "-c", "--", script, _ok_code=[0, 2], _return_cmd=True)
    return bool(call.exit_code == 0)


def hold_against_dash(script: str) -> None:
    """Fail unless the checker says of ``script`` what dash says."""
    flaw = syntax_flaw(script)
    if can_parse(script):
        assert flaw is None or flaw.id in STRICTER
    else:
        assert flaw or bashisms(script)


def commands_of(path: Path) -> list[str]:
    """Every script for sh in the command lists of a seed; none if it is not YAML."""
    try:
        document = yaml.safe_load(path.read_bytes())
        autoinstall = document["autoinstall"]
        holders = [(autoinstall, LISTS), (document, CLOUD_LISTS), (autoinstall.get("user-data"), CLOUD_LISTS)]
        lists = [
            holder[name] for holder, names in holders if isinstance(holder, dict) for name in names if name in holder
        ]
        return [script for commands in lists for command in commands for script in scripts(command)]
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, RecursionError, ValueError):
        return []


COMMANDS = sorted({script for path in SEEDS for script in commands_of(path)})


def test_the_corpus_has_commands() -> None:
    assert len(COMMANDS) > 40
    assert any(not can_parse(script) for script in COMMANDS)


@pytest.mark.parametrize("script", COMMANDS)
def test_a_command_of_the_corpus_is_refused_just_if_dash_cannot_parse_it(script: str) -> None:
    hold_against_dash(script)


WORDS = st.sampled_from(
    [
        "a",
        "x=1",
        "'q r'",
        '"d $x"',
        "${x}",
        "${x:-b}",
        '"${x#*/}"',
        "$x",
        "\\;",
        "# c\n",
        "$((1 + 2))",
        "$$",
        "then",
        "-f",
    ]
)
OPERATORS = st.sampled_from([";", "\n", "&&", "||", "|", "&", " ", "\\\n"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}{}".format, inner, OPERATORS, inner),
        st.builds("if {}; then {}; fi".format, inner, inner),
        st.builds("if {}\nthen {}\nelif {}; then\n{}\nelse\n{}\nfi".format, inner, inner, inner, inner, inner),
        st.builds("while {}; do {}; done".format, inner, inner),
        st.builds("for x in {} b; do {}; done".format, WORDS, inner),
        st.builds("case {} in a|b) {} ;; (*) {}; esac".format, WORDS, inner, inner),
        st.builds("{{ {}; }}".format, inner),
        st.builds("( {} )".format, inner),
        st.builds("f() {{ {}\n}}".format, inner),
        st.builds('a "$({})"'.format, inner),
        st.builds("a `{}`".format, inner),
        st.builds("{} >/x 2>&1".format, inner),
        st.builds("! {}".format, inner),
        st.builds("cat <<EOF\n{}\nEOF\n{}".format, inner, inner),
        st.builds("cat <<-'EOF'\n\t{}\n\tEOF\n".format, inner),
    )


SCRIPTS = st.recursive(st.builds("a {} {}".format, WORDS, WORDS), _compound, max_leaves=6)

PIECES = st.sampled_from(
    [
        *[
            "if",
            "then",
            "else",
            "elif",
            "fi",
            "while",
            "until",
            "do",
            "done",
            "for",
            "case",
            "in",
            "esac",
            "{",
            "}",
            "(",
            ")",
            ";",
            "&",
            "&&",
            "||",
            ";;",
            "<",
            ">",
            ">>",
            "<<",
            "<<-",
            ">&",
            "<&",
            "2>",
            "!",
        ],
        *["a", "x=1", "f()", "EOF", "'", '"', "`", "$(", "$((", "))", "${", "${x}", "$x", "$$", "\\", "#", "1", "$"],
        *["\\\n", "\n", "\t", " "],
    ]
)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A script with a piece of it taken away, replaced or doubled."""
    parts = re.split(r"(\s+|[;&|()`\"'])", draw(SCRIPTS))
    at = draw(st.integers(0, len(parts) - 1))
    parts[at : at + draw(st.integers(0, 2))] = [draw(PIECES)] if draw(st.booleans()) else []
    return "".join(parts)


def comparable(script: str) -> bool:
    """Whether no exception is in ``script``."""
    return not any(re.search(pattern, script) for pattern in EXCEPTIONS.values())


@given(SCRIPTS)
@settings(max_examples=300)
def test_a_script_is_refused_just_if_dash_cannot_parse_it(script: str) -> None:
    if comparable(script):
        hold_against_dash(script)


@given(st.one_of(spoilt(), st.lists(PIECES, min_size=1, max_size=8).map(" ".join)))
@example("cat <<EOF\n$(a\nEOF\n")
@example("if a; then b; fi\\\n&& c")
@example("a 2>2>b")
@example("f() ! a")
@example("a $(( ) ; 1 )")
@example("a $${")
@settings(max_examples=900)
def test_a_broken_script_is_refused_just_if_dash_cannot_parse_it(script: str) -> None:
    if comparable(script):
        hold_against_dash(script)
