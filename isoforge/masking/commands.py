"""Secrets in commands: behind an option, as a word of their own, or fed to a program that asks for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from isoforge.masking.inputs import consumed, in_input, in_secret_file, written
from isoforge.masking.names import is_path, is_reference, is_written_out, secret_kind
from isoforge.masking.programs import (
    ATTACHED,
    CONSUMERS,
    HARMLESS_P,
    KEYWORD_PROGRAMS,
    LOGIN,
    LOGIN_COMMANDS,
    NEEDED,
    OPTIONS,
    PERCENT,
    POSITIONAL,
    SOURCE,
    WORD,
)
from isoforge.masking.shell import Word, pipelines
from isoforge.masking.spans import Span, unquoted

_OPTION = re.compile(r"--?([A-Za-z][\w.-]*)(=)?")
_SHORT = re.compile(r"-[A-Za-z]+")
_LONG = re.compile(r"-(?:password|passwd|passphrase|pass|secret|token|api-?key|auth-?key)")
_WRITERS = 3
"""How many commands before the last of a pipeline may have written what it puts into a file."""

_MOUNT_PASSWORD = re.compile(r"(?<![\w-])pass(?:word)?2?=([^\s,'\"]+)")
_SETTING = re.compile(r"[\w./:-]+")
_PROGRAMS = frozenset((*OPTIONS, *HARMLESS_P, *POSITIONAL, *CONSUMERS, *KEYWORD_PROGRAMS))
_WITH_WORDS = frozenset(("openssl", *POSITIONAL, *KEYWORD_PROGRAMS))
"""Programs whose own words may be names of other programs: ``openssl passwd``, ``nmcli … type``."""

_NO_SECRET = re.compile(r"\d{1,5}|\d+:\d+|[\d.:]+:\d+(?:/\w+)?|\w+\(.*|\{.*", re.DOTALL)
_CERTAIN_OPTIONS = re.compile(
    r"(?:[\w-]*-)?(?:pass|password|passwd|passphrase|token|authtoken|auth-token|access-token|api-key|apikey|api-token"
    r"|authkey|auth-key|secret-key|access-key|account-key|client-secret)"
)


def commanded(text: str) -> Iterator[Span]:
    """The secrets in the commands of ``text``, a script, a command or anything else."""
    for pipeline in pipelines(text):
        first = 0
        for number, command in enumerate(pipeline):
            yield from in_words(text, command.words)
            consumer = consumed(command)
            if consumer:
                for fed in pipeline[first:number]:
                    for one in fed.all():
                        yield from written(text, one, consumer)
                for one in command.all():
                    yield from in_input(text, one.fed, consumer)
                for one in command.sources:
                    yield from written(text, one, consumer)
                first = number
            yield from in_secret_file(text, pipeline[max(0, number - _WRITERS) : number + 1], command)


def in_words(text: str, words: Sequence[Word]) -> Iterator[Span]:
    """The secrets in a command of ``words``, which are parts of ``text``."""
    options: dict[str, str] = {}
    program, at_program, is_login = "", 0, False
    skip = False
    for number, word in enumerate(words):
        if skip:
            skip = False
            continue
        bare = word.bare
        if bare.startswith("-"):
            following = words[number + 1] if number + 1 < len(words) else None
            how, start = _how(program, options, bare, is_login=is_login)
            if how == WORD and start == 0 and following is not None:
                yield from _value(text, following, bare, program)
                skip = not _OPTION.fullmatch(following.bare)
            elif how:
                yield from _of_option(text, word, following, (how, start), program)
                skip = start == 0 and how != ATTACHED
            continue
        if program.startswith("mount"):
            yield from _mount_options(text, word)
        name = bare.rpartition("/")[2]
        if name in _PROGRAMS and program not in _WITH_WORDS:
            yield from _positional(text, words[at_program:number], program)
            program, at_program, options, is_login = name, number, OPTIONS.get(name, {}), False
        elif name == "login":
            is_login = True
        elif number and number + 1 < len(words) and _SETTING.fullmatch(bare) and (secret_kind(bare) or bare == "_auth"):
            yield from _keyword(text, program, bare, words[number + 1])
    yield from _positional(text, words[at_program:], program)


def _mount_options(text: str, word: Word) -> Iterator[Span]:
    """The password in the options of mount.cifs(8): ``-o username=…,password=X``."""
    match = _MOUNT_PASSWORD.search(text, word.start, word.end)
    if match and not is_reference(match[1]):
        yield Span(*match.span(1), "password", certain=is_written_out(match[1]))


def _how(program: str, options: dict[str, str], bare: str, *, is_login: bool) -> tuple[str, int]:
    """How the option ``bare`` takes a secret ("" if it does not), and where in it: 0 if in the next word."""
    if bare in options:
        return options[bare], 0
    long = _OPTION.match(bare)
    if long and (long.end() == len(bare) or long[2]):
        name = bare[: long.end(1)]
        if name in options or _LONG.fullmatch(name) or (name.startswith("--") and secret_kind(long[1])):
            return options.get(name, WORD), long.end() if long[2] else 0
    if bare.startswith("--") or len(bare) < 2:
        return "", 0
    short = bare[:2]
    if program in LOGIN_COMMANDS and is_login and short == "-p":
        return WORD, 2 if len(bare) > 2 else 0
    if short in options:
        return options[short], 2
    last = f"-{bare[-1]}"
    if _SHORT.fullmatch(bare) and options.get(last) in (WORD, LOGIN):
        return options[last], 0
    if short in ("-p", "-P") and program not in HARMLESS_P and program not in OPTIONS:
        return "doubt", 2 if len(bare) > 2 else 0
    return "", 0


def _of_option(text: str, word: Word, following: Word | None, where: tuple[str, int], program: str) -> Iterator[Span]:
    how, begin = where
    if begin == 0:
        if following is None or how == ATTACHED:
            return
        start, end = following.start, following.end
    else:
        start, end = _behind(word, begin), word.end
    start, end = unquoted(text, start, end)
    if start < end and text[end - 1] in "'\"" and text[start : end - 1].count(text[end - 1]) % 2 == 0:
        end -= 1  # the quote that the whole option is in
    value = text[start:end]
    if how in (LOGIN, PERCENT, SOURCE):
        yield from _part(text, start, end, how)
    elif how == "doubt":
        is_plain = word.text[1] == "P" and not any(char.isdigit() for char in value)
        if not (is_plain or _NO_SECRET.fullmatch(value) or is_path(value) or is_reference(value) or value[0] == "-"):
            yield Span(start, end, "password")
    elif not is_reference(value):
        yield Span(
            start, end, _kind(word.bare, program), certain=_is_certain(word.bare, program) and is_written_out(value)
        )


def _part(text: str, start: int, end: int, how: str) -> Iterator[Span]:
    """The secret in ``user:X``, ``user,X``, ``user%X`` or ``pass:X``."""
    value = text[start:end]
    sign = re.search(r"%" if how == PERCENT else r"[:,]", value)
    if sign is None or (how == SOURCE and value[: sign.start()] != "pass"):
        return
    start, end = unquoted(text, start + sign.end(), end)
    secret = text[start:end]
    if not is_reference(secret) and not (secret.isdigit() and value[: sign.start()].isdigit()):
        yield Span(start, end, "password", certain=is_written_out(secret))


def _value(text: str, word: Word, option: str, program: str) -> Iterator[Span]:
    """The word behind an option that takes a secret."""
    start, end = unquoted(text, word.start, word.end)
    value = text[start:end]
    literal = text[word.start] == "'"
    if (is_reference(value) and not (literal and value.startswith("$"))) or _OPTION.fullmatch(value):
        return
    yield Span(start, end, _kind(option, program), certain=_is_certain(option, program) and is_written_out(value))


def _behind(word: Word, count: int) -> int:
    """The place in the text behind ``count`` characters of the bare ``word``."""
    place = word.start
    for char in word.text:
        if not count:
            break
        place += 1
        count -= char not in "\"'\\"
    return place


def _kind(option: str, program: str) -> str:
    return secret_kind(option.partition("=")[0]) or ("key" if program == "openssl" else "password")


def _is_certain(option: str, program: str) -> bool:
    name = option.partition("=")[0].lstrip("-")
    return bool(_CERTAIN_OPTIONS.fullmatch(name)) or option[:2] in OPTIONS.get(program, {}) or program in LOGIN_COMMANDS


def _positional(text: str, words: Sequence[Word], program: str) -> Iterator[Span]:
    """The secret that ``program``, the first of ``words``, takes as a word of its own."""
    if program == "openssl" and len(words) > 1 and words[1].bare == "passwd":
        if not any(word.bare in NEEDED["openssl"] for word in words):
            yield from _plain(text, _arguments(words[2:], takes=("-salt", "-in"))[:1], "password", certain=True)
        return
    for rule in POSITIONAL.get(program, ()):
        bare = [word.bare for word in words]
        at = next((n for n in range(1, len(bare)) if tuple(bare[n : n + len(rule.words)]) == rule.words), None)
        if at is None:
            continue
        behind = _arguments(
            words[at + len(rule.words) :],
            takes=("-m", "-S", "-R", "--vault-id", "--encrypt-vault-id", "--name", "--stdin-name"),
        )
        chosen = behind[-1:] if rule.last and len(behind) > rule.certain else behind[rule.skip : rule.skip + 1]
        yield from _plain(text, chosen, rule.kind, certain=rule.certain)


def _arguments(words: Sequence[Word], takes: tuple[str, ...]) -> list[Word]:
    """The words that are no option, and no value of one of the options ``takes``."""
    return [
        word
        for number, word in enumerate(words)
        if not word.bare.startswith("-") and not (number and words[number - 1].bare in takes)
    ]


def _keyword(text: str, program: str, name: str, word: Word) -> Iterator[Span]:
    """The word behind one that names a secret: ``nmcli … password X``."""
    kind = secret_kind(name) or "credentials"
    is_setting = program in KEYWORD_PROGRAMS
    looks_odd = len(word.bare) >= 4 and any(char.isdigit() for char in word.bare)
    if (is_setting or looks_odd) and not word.bare.startswith("-") and not is_path(word.bare) and name != program:
        yield from _plain(text, [word], kind, certain=is_setting)


def _plain(text: str, words: Sequence[Word], kind: str, *, certain: bool) -> Iterator[Span]:
    for word in words:
        start, end = unquoted(text, word.start, word.end)
        if not is_reference(text[start:end]):
            yield Span(start, end, kind, certain=certain and is_written_out(text[start:end]))
