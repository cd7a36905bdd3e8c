"""Secrets in commands: behind an option, as a word of their own, or fed to a program that asks for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from isoforge.masking.names import is_path, is_reference, secret_kind
from isoforge.masking.programs import (
    ATTACHED,
    CONSUMERS,
    EVERYONE,
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
from isoforge.masking.shell import Command, Word, pipelines
from isoforge.masking.spans import Span, unquoted

_OPTION = re.compile(r"--?([A-Za-z][\w.-]*)(=)?")
_SHORT = re.compile(r"-[A-Za-z]+")
_LONG = re.compile(r"-(?:password|passwd|passphrase|pass|secret|token|api-?key|auth-?key)")
_WRITERS = 3
"""How many commands before the last of a pipeline may have written what it puts into a file."""

_EXAMPLE = re.compile(r"[A-Z][A-Z_]+|string|text|[\w./-]+\.(?:hash|txt|key|json|ya?ml|conf|pem)")
"""What help texts write for a value, and names of files."""

_MOUNT_PASSWORD = re.compile(r"(?<![\w-])pass(?:word)?2?=([^\s,'\"]+)")
_SETTING = re.compile(r"[\w./:-]+")
_PROGRAMS = frozenset((*OPTIONS, *HARMLESS_P, *POSITIONAL, *CONSUMERS, *KEYWORD_PROGRAMS))
_FORMAT = re.compile(r"(?:%[-\d.]*[sdbq]|\\[nrt0]|[\s:'\"])*")
_NO_SECRET = re.compile(r"\d{1,5}|\d+:\d+|[\d.:]+:\d+(?:/\w+)?|\w+\(.*|\{.*", re.DOTALL)
_CERTAIN_OPTIONS = re.compile(
    r"(?:[\w-]*-)?(?:pass|password|passwd|passphrase|token|authtoken|auth-token|access-token|api-key|apikey|api-token|authkey|auth-key"
    r"|secret-key|access-key|account-key|client-secret)"
)
_SECRET_FILES = re.compile(r"(?:\.netrc|\.pgpass|.*\.key|credentials|.*\.secret|.*keyfile|id_[a-z0-9]+|.*\.psk|luks.*)")


def commanded(text: str) -> Iterator[Span]:
    """The secrets in the commands of ``text``, a script, a command or anything else."""
    for pipeline in pipelines(text):
        first = 0
        for number, command in enumerate(pipeline):
            yield from in_words(text, command.words)
            consumer = _consumes(command)
            if consumer:
                for fed in pipeline[first:number]:
                    for one in fed.all():
                        yield from _fed(text, one, consumer)
                for one in command.all():
                    yield from _in_input(text, one.fed, consumer)
                first = number
            yield from _written(text, pipeline[max(0, number - _WRITERS) : number + 1], command)


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
        if name in _PROGRAMS and not (program == "openssl" and name == "passwd"):
            yield from _positional(text, words[at_program:number], program)
            program, at_program, options, is_login = name, number, OPTIONS.get(name, {}), False
        elif name == "login":
            is_login = True
        elif number and number + 1 < len(words) and _SETTING.fullmatch(bare) and secret_kind(bare):
            yield from _keyword(text, program, bare, words[number + 1])
    yield from _positional(text, words[at_program:], program)


def _mount_options(text: str, word: Word) -> Iterator[Span]:
    """The password in the options of mount.cifs(8): ``-o username=…,password=X``."""
    match = _MOUNT_PASSWORD.search(text, word.start, word.end)
    if match and not is_reference(match[1]):
        yield Span(*match.span(1), "password", certain=_is_value(match[1]))


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
        yield Span(start, end, _kind(word.bare, program), certain=_is_certain(word.bare, program) and _is_value(value))


def _part(text: str, start: int, end: int, how: str) -> Iterator[Span]:
    """The secret in ``user:X``, ``user,X``, ``user%X`` or ``pass:X``."""
    value = text[start:end]
    sign = re.search(r"%" if how == PERCENT else r"[:,]", value)
    if sign is None or (how == SOURCE and value[: sign.start()] != "pass"):
        return
    start, end = unquoted(text, start + sign.end(), end)
    secret = text[start:end]
    if not is_reference(secret) and not (secret.isdigit() and value[: sign.start()].isdigit()):
        yield Span(start, end, "password", certain=_is_value(secret))


def _value(text: str, word: Word, option: str, program: str) -> Iterator[Span]:
    """The word behind an option that takes a secret."""
    start, end = unquoted(text, word.start, word.end)
    value = text[start:end]
    literal = text[word.start] == "'"
    if (is_reference(value) and not (literal and value.startswith("$"))) or _OPTION.fullmatch(value):
        return
    yield Span(start, end, _kind(option, program), certain=_is_certain(option, program) and _is_value(value))


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


def _is_value(value: str) -> bool:
    """Whether a value is written out: no variable in it, nothing that is encrypted, no locked account."""
    return not (
        value.startswith(("$", "!", "*", "<", "{", "`", "@")) or is_reference(value) or _EXAMPLE.fullmatch(value)
    )


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
        behind = _arguments(words[at + len(rule.words) :], takes=("-m", "-S", "-R"))
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
    kind = secret_kind(name)
    is_setting = program in KEYWORD_PROGRAMS
    looks_odd = len(word.bare) >= 4 and any(char.isdigit() for char in word.bare)
    if (is_setting or looks_odd) and not word.bare.startswith("-") and not is_path(word.bare) and name != program:
        yield from _plain(text, [word], kind, certain=is_setting)


def _plain(text: str, words: Sequence[Word], kind: str, *, certain: bool) -> Iterator[Span]:
    for word in words:
        start, end = unquoted(text, word.start, word.end)
        if not is_reference(text[start:end]):
            yield Span(start, end, kind, certain=certain and _is_value(text[start:end]))


def _consumes(command: Command) -> str:
    """What the command reads from its input: the kind of secret, with a mark for chpasswd's ``user:X``; "" for none."""
    for one in command.all():
        bare = [word.bare for word in one.words]
        for word in bare:
            name = PurePosixPath(word).name if "/" in word else word
            if name in EVERYONE:
                return EVERYONE[name]
            if name == "sudo" and any(re.fullmatch(r"-[A-Za-z]*S[A-Za-z]*|--stdin", option) for option in bare):
                return "password"
            if CONSUMERS.get(name) and (name not in NEEDED or {*NEEDED[name]} & {*bare}):
                return "login" if name == "chpasswd" else CONSUMERS[name]
    return ""


def _fed(text: str, command: Command, kind: str) -> Iterator[Span]:
    """What a command earlier in the pipeline writes: the arguments of echo and printf, here-documents."""
    yield from _in_input(text, command.fed, kind)
    names = [word.bare.rpartition("/")[2] for word in command.words]
    begin = next((number for number, name in enumerate(names) if name in ("echo", "printf", "yes")), None)
    if begin is None:
        return
    for number, word in enumerate(command.words[begin + 1 :]):
        start, end = unquoted(text, word.start, word.end)
        is_format = names[begin] == "printf" and number == 0 and _FORMAT.fullmatch(text[start:end])
        if not is_format and not (word.text.startswith("-") and len(word.text) <= 3):
            yield from _in_input(text, [(start, end)], kind)


def _in_input(text: str, ranges: Sequence[tuple[int, int]], kind: str) -> Iterator[Span]:
    """The secrets in an input; of ``user:X`` lines what is behind the colon."""
    for begin, limit in ranges:
        for match in re.compile(r"[^\n]+").finditer(text, begin, limit):
            start, end = unquoted(text, *match.span())
            colon = text.find(":", start, end) if kind == "login" else -1
            start = colon + 1 if colon >= 0 else start
            while end > start and text[end - 1] in "'\" \t":
                end -= 1
            value = text[start:end]
            if end > start and not is_reference(value.removesuffix("\\n").strip()):
                yield Span(start, end, "password" if kind == "login" else kind, certain=_is_value(value))


def _written(text: str, pipeline: Sequence[Command], last: Command) -> Iterator[Span]:
    """What is written into a file whose name means a secret: ``echo X > /etc/wifi.psk``, ``… | tee token``."""
    names = [word.bare for word in last.targets]
    words = [word.bare for word in last.words]
    if any(word.rpartition("/")[2] in ("tee", "dd") for word in words):
        names += [word.removeprefix("of=") for word in words if "/" in word]
    for name in names:
        base = name.rpartition("/")[2]
        kind = secret_kind(base.partition(".")[0] or base) or ("key" if _SECRET_FILES.fullmatch(base) else "")
        if kind and not base.endswith((".pub", ".crt")) and "=" not in base:
            for command in pipeline:
                yield from _as_doubt(_fed(text, command, kind))


def _as_doubt(spans: Iterator[Span]) -> Iterator[Span]:
    for span in spans:
        yield span._replace(certain=False)
