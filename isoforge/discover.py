"""What a machine is, asked of itself: by a small shell script, here or at the other end of ssh."""

from __future__ import annotations

import os
import re

from isoforge.errors import ToolError, UsageError
from isoforge.fleet.facts import Facts, read_facts
from isoforge.run import run
from isoforge.templates import shipped_templates

_DESTINATION = re.compile(r"(ssh://)?([A-Za-z0-9_][A-Za-z0-9_.-]*@)?(\[[\w:.%]+\](:\d+)?|[A-Za-z0-9][\w.:-]*)")
"""USER@HOST, HOST or ssh://USER@HOST:PORT, and nothing that ssh would take for an option."""

_CONNECT_S = 15
"""How long ssh may take to reach the machine, in seconds."""

_HINTS = {
    "Host key verification failed": "connect once by hand and look at the key's fingerprint: ssh {}",
    "Permission denied": "nobody is there to type a password: log in with a key (ssh-copy-id {})",
    "Could not resolve": "is the name right?",
}
"""What ssh complains of, and what helps."""


def discover(destination: str | None = None) -> Facts:
    """The facts of this machine, or of the one that ssh reaches at ``destination``.

    The far side needs a POSIX shell; nothing is written there. ssh never asks: neither for a password nor about an
    unknown host key. Raises ``UsageError`` for a destination that is none, ``ToolError`` if the machine cannot be
    reached or gives no answer.
    """
    script = (shipped_templates() / "discover.sh").read_text("utf-8")
    if destination is None:  # "" is a variable that was not set: this machine is not meant
        return read_facts(run("sh", "-s", stdin=script, env=_kept("ISOFORGE_ROOT")))
    if not _DESTINATION.fullmatch(destination):
        raise UsageError(f"--ssh {destination!r} is no USER@HOST")
    try:  # the person's ssh-agent holds their unlocked keys
        told = run("ssh", *_options(), "--", destination, "sh -s", stdin=script, env=_kept("SSH_AUTH_SOCK"))
    except ToolError as failure:
        hint = next((hint for words, hint in _HINTS.items() if words in failure.message), "")
        said = failure.message.splitlines()[-1].removeprefix("ssh exited with status 255: ")
        raise ToolError(f"{destination}: {said}", hint=hint.format(destination) or failure.hint) from failure
    return read_facts(told)


def _options() -> list[str]:
    return ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=5"]


def _kept(variable: str) -> dict[str, str]:
    """That variable of this program's environment, if it is set there."""
    return {variable: os.environ[variable]} if variable in os.environ else {}
