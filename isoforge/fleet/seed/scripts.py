"""The scripts that isoforge puts into seeds: known by name, and either in the seed itself or on the medium.

A rendered seed (`gen`, `seed`, a CIDATA medium) is self-contained: its commands are ``sh -c TEXT NAME ARGS…`` with the
script as TEXT. On an ISO of `multi` there is one copy of each script for all hosts, at ``/isoforge/scripts/NAME``, and
the seeds there call it (`call_scripts`): the same command with one line in place of the script.

To add a script: write ``templates/guard/NAME.j2`` (the name without ``isoforge-``), add its name to
`seed_format.SCRIPTS` with the answer to "must an installation stop if it cannot be run?", and put `command` into the
early-, late- or error-commands of the seed. The rest follows: what goes onto the medium, its digest in the manifest,
and the checks of `verify`.

The line in a seed follows from the text of the script alone. So nothing is rendered twice, a seed that was rendered
earlier goes onto an ISO as one that is rendered now, and the same inputs give the same bytes. A script in a seed that
is not that of the templates now (the seed is stale, or was written by hand) stays where it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from isoforge.fleet.smbios import FILLERS, PLACEHOLDERS
from isoforge.iso_layout import DETECT, REPORT_FOLDER
from isoforge.seed_format import GUARD, SCRIPTS, call_text, sha256_of
from isoforge.templates import dump, render


def command(
    name: str, subject: str, templates: Sequence[Path], *args: str, scripts: Mapping[str, str] | None = None
) -> list[str]:
    """The script called ``name`` as the words of a command; the guard's first argument is ``subject``, a host.

    ``scripts`` is `every_script` of the ``templates``, if it is known already.
    """
    text = scripts[name] if scripts else script(name, subject, templates)
    return ["sh", "-c", text, name, *([subject] if name == GUARD else []), *args]


def script(name: str, subject: str, templates: Sequence[Path]) -> str:
    """The text of the script called ``name`` (POSIX sh); ``subject`` is whom a ``TemplateError`` speaks of."""
    values = {
        "placeholders": [shlex.quote(text) for text in PLACEHOLDERS],
        "detect": DETECT,
        "report_folder": str(REPORT_FOLDER),
        "fillers": [shlex.quote(text) for text in FILLERS],
    }
    return render(f"guard/{name.removeprefix('isoforge-')}.j2", values, templates=templates, host=subject)


def every_script(templates: Sequence[Path]) -> dict[str, str]:
    """The text of each script by its name; a script that fails to render is of no use to any host."""
    return {name: script(name, DETECT, templates) for name in SCRIPTS}


def call_scripts(user_data: bytes, scripts: Mapping[str, str]) -> tuple[bytes, frozenset[str]]:
    """``user_data`` as it is on an ISO: its commands call those of ``scripts`` that they contain.

    Also returns the names of the scripts that are called. Only commands as `templates.dump` writes them count, in a
    list of the autoinstall section; everything else stays as it is.
    """
    called = set()
    for name, text in scripts.items():
        inline, call = _forms(name, text)
        if inline in user_data:
            called.add(name)
            user_data = user_data.replace(inline, call)
    return user_data, frozenset(called)


def contain_scripts(user_data: bytes, scripts: Mapping[str, str]) -> bytes:
    """The self-contained form of ``user_data`` whose commands call ``scripts``: the opposite of `call_scripts`."""
    for name, text in scripts.items():
        inline, call = _forms(name, text)
        user_data = user_data.replace(call, inline)
    return user_data


def calls(command: object, scripts: Mapping[str, str]) -> object:
    """``command`` as it is on an ISO, if it is one of ``scripts``; anything else as it is."""
    if not isinstance(command, list) or len(command) < 4 or command[:2] != ["sh", "-c"]:
        return command
    name = command[3]
    if not isinstance(name, str) or name not in scripts or command[2] != scripts[name]:
        return command
    return [*command[:2], call_text(name, _digest(scripts[name])), *command[3:]]


@lru_cache(maxsize=32)
def _forms(name: str, text: str) -> tuple[bytes, bytes]:
    """The lines of the command called ``name`` in user-data: with ``text`` itself, and with the call of it."""
    return _lines(["sh", "-c", text, name]), _lines(["sh", "-c", call_text(name, _digest(text)), name])


@lru_cache(maxsize=32)
def _digest(text: str) -> str:
    return sha256_of(text.encode())


def _lines(words: list[str]) -> bytes:
    """The lines of a command in the user-data of a seed."""
    return dump({"autoinstall": {"late-commands": [words]}}).split("\n", 2)[2].encode()
