"""docs/problems.md: every kind of problem, with an example and the line that `isoforge check` prints for it."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from isoforge.fleet.check.catalogue import Kind, kinds
from scripts.problem_examples import files, is_whole, problems_of

INTRODUCTION = """\
# Problems

<!-- This page is generated from the code: make docs. -->

`isoforge check` reports each problem on one line, and ends it with the problem's id:

```text
FILE:LINE: SEVERITY: hosts.HOST.KEY: what is wrong [id]
```

| | |
|---|---|
| **Severity** | An error stops a build; a warning does not, unless `--strict` is given. |
| **Exit code** | 3 if there is an error (with `--strict`: any problem), otherwise 0; see [exit codes](exit-codes.md). |
| **Ignoring warnings** | `isoforge check --ignore ID` for one run, `ignore: [ID]` in the inventory for a host, group \
or profile. Errors cannot be ignored. |
| **Scripts** | `isoforge check --json` prints id, severity, file, line and key. Ids do not change; messages may. |

Below, each id has an example with the line that `isoforge check` prints for it. `host_vars/web-1.yml` is in \
`baremetal/inventory/`, and the values that a host needs besides are not shown. `user-data` and `meta-data` are seeds \
written by hand (`isoforge check user-data`); of them too, only the sections that matter are shown.
"""

ESCAPES = {ord("\ufeff"): "\\uFEFF", ord("\t"): "\\t", ord("\r"): "\\r"}
"""How characters that nobody could see are written on the page."""


@cache
def problems_page() -> str:
    """docs/problems.md; the examples are checked for it."""
    letters = [(letter, list(each)) for letter, each in groupby(kinds().values(), lambda kind: kind.id[0].upper())]
    contents = [
        f"| **{letter}** | {' · '.join(f'[{kind.id}](#{kind.id})' for kind in each)} |\n" for letter, each in letters
    ]
    sections = [f"\n## {letter}\n{''.join(map(_section, each))}" for letter, each in letters]
    return "".join([INTRODUCTION, "\n| | ids |\n|---|---|\n", *contents, *sections])


def _section(kind: Kind) -> str:
    heading = f"\n### {kind.id}\n\n**{kind.severity.capitalize()}.** {' '.join(kind.meaning.split())}\n"
    if "none" in kind.example:
        return f"{heading}\nNo example: {kind.example['none']}\n"
    with TemporaryDirectory() as folder:
        reported = next(str(one) for one in problems_of(kind.example, Path(folder).resolve()) if one.id == kind.id)
    assumed = [f"`--release {kind.example['release']}`"] if "release" in kind.example else []
    assumed += [f"a host with {kind.example['firmware'].upper()}"] if "firmware" in kind.example else []
    blocks = [_block(name, text, assumed) for name, text in _texts(kind).items()]
    return f"{heading}{''.join(blocks)}\n```text\n{reported.translate(ESCAPES)}\n```\n"


def _texts(kind: Kind) -> dict[str, str]:
    """The files of an example by their names; no line is in another place than the problem says."""
    if "user_data" in kind.example:
        text = kind.example["user_data"]
        indented = "".join(f"  {line}\n" for line in text.splitlines())
        return {"user-data": text if is_whole(text) else f"#cloud-config\nautoinstall:\n{indented}"}
    if "meta_data" in kind.example:
        return {"meta-data": kind.example["meta_data"]}
    return {name.removeprefix("inventory/"): text for name, text in files(kind.example).items()}


def _block(name: str, text: str, assumed: list[str]) -> str:
    what = ", ".join([f"`{name}`", *assumed])
    language = "jinja" if name.endswith(".j2") else "yaml"
    return (
        f"\n{what}:\n\n```{language}\n{text.translate(ESCAPES).strip()}\n```\n"
        if text.strip()
        else f"\n{what}: empty\n"
    )
