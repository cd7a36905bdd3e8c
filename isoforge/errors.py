"""What can go wrong, sorted by who has to act on it."""

from __future__ import annotations

from collections.abc import Sequence


class ForgeError(Exception):
    """Any failure that isoforge foresees; ``exit_code`` says who has to act, ``hint`` says how.

    ``message`` is one sentence for a person: what, and where. ``hint`` is the cure, or empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(ForgeError):
    """What was typed cannot be meant: whoever typed it acts."""

    exit_code = 2


class _ProblemsError(ForgeError):
    """A failure that names everything that is wrong, not just the first; ``problems`` holds one line for each."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])


class InventoryError(_ProblemsError):
    """The inventory, a secret or a seed is wrong: whoever wrote it acts. Each problem carries its address."""

    exit_code = 3


class TemplateError(ForgeError):
    """A template cannot be rendered: whoever wrote the template acts."""

    exit_code = 4


class BaseIsoError(ForgeError):
    """The base ISO is missing, damaged or of a kind that cannot be used: whoever chose it acts."""

    exit_code = 5


class ToolError(ForgeError):
    """A program is missing, too old or failed: whoever runs the machine acts."""

    exit_code = 6


class OutputError(ForgeError):
    """The output cannot be written where it was asked for: whoever chose the place acts."""

    exit_code = 7


class ProofError(_ProblemsError):
    """What was built is not what was meant: whoever was about to ship it acts. Each problem is a difference."""

    exit_code = 8
