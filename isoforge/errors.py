"""The ways in which isoforge fails, one class for each person who has to act; each has its exit code."""

from __future__ import annotations

from collections.abc import Sequence


class ForgeError(Exception):
    """Any failure that isoforge foresees.

    ``message`` says what is wrong and where, ``hint`` what to do (or is empty); ``exit_code`` says who has to act.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(ForgeError):
    """Usage error: an option or argument is invalid."""

    exit_code = 2


class _ProblemsError(ForgeError):
    """A failure with several causes; ``problems`` holds one line for each."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])


class InventoryError(_ProblemsError):
    """The inventory, a secret or a seed is invalid: every problem is listed, with file, line and key."""

    exit_code = 3


class TemplateError(ForgeError):
    """A template cannot be rendered."""

    exit_code = 4


class BaseIsoError(ForgeError):
    """The base ISO is missing, damaged or not supported."""

    exit_code = 5


class ToolError(ForgeError):
    """A program is missing, too old or failed, or the system is out of memory or other resources."""

    exit_code = 6


class OutputError(_ProblemsError):
    """The output or the log file cannot be written."""

    exit_code = 7


class ProofError(_ProblemsError):
    """An ISO is not what it should be; for diff: the two ISOs differ."""

    exit_code = 8
