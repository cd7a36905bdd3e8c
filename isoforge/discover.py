"""Hardware facts of a machine, collected by a small shell script, here or over ssh."""

from __future__ import annotations

import os
import re

from isoforge.errors import ToolError, UsageError
from isoforge.fleet.facts import Facts, read_facts
from isoforge.run import run
from isoforge.templates import shipped_templates

_DESTINATION = re.compile(r"(ssh://)?([A-Za-z0-9_][A-Za-z0-9_.-]*@)?(\[[\w:.%]+\](:\d+)?|[A-Za-z0-9][\w.:-]*)")
"""USER@HOST, HOST or ssh://USER@HOST:PORT, but nothing that ssh would read as an option."""

_CONNECT_S = 15
"""How long ssh may take to reach the machine, in seconds."""

_HINTS = {
    "Host key verification failed": "connect once by hand and verify the fingerprint of its key: ssh {}",
    "Permission denied": "passwords are not supported; install your key first (ssh-copy-id {})",
    "Could not resolve": "check the host name",
}
"""Errors of ssh, and what to do about them."""


def discover(destination: str | None = None) -> Facts:
    """The facts of this machine, or of the one that ssh reaches at ``destination``.

    The remote machine needs a POSIX shell; nothing is written there. ssh never prompts: neither for a password nor
    about an unknown host key. Raises ``UsageError`` for an invalid destination, ``ToolError`` if the machine cannot be
    reached or its output is incomplete.
    """
    script = (shipped_templates() / "discover.sh").read_text("utf-8")
    if destination is None:  # not for "", which comes from a variable that was not set
        return read_facts(run("sh", "-s", stdin=script, env=_environment("ISOFORGE_ROOT")))
    if not _DESTINATION.fullmatch(destination):
        raise UsageError(f"invalid value {destination!r} for --ssh", hint="use USER@HOST, HOST or ssh://USER@HOST:PORT")
    try:  # the user's ssh-agent holds their unlocked keys
        output = run("ssh", *_options(), "--", destination, "sh -s", stdin=script, env=_environment("SSH_AUTH_SOCK"))
    except ToolError as failure:
        hint = next((hint for words, hint in _HINTS.items() if words in failure.message), "")
        reason = failure.message.splitlines()[-1].removeprefix("ssh exited with status 255: ")
        raise ToolError(f"{destination}: {reason}", hint=hint.format(destination) or failure.hint) from failure
    return read_facts(output)


def _options() -> list[str]:
    return ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}", "-o", "ServerAliveInterval=5"]


def _environment(variable: str) -> dict[str, str]:
    """``variable`` of this program's environment, if it is set there."""
    return {variable: os.environ[variable]} if variable in os.environ else {}
