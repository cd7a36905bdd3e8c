"""Bash syntax is told from what sh takes, and from text that only looks like it."""

from __future__ import annotations

import pytest

from isoforge.fleet.check.shell import bashisms
from isoforge.fleet.check.shell_syntax import syntax_flaw


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("[[ -e /x ]] && ls", "[[ … ]]"),
        ("if [[ $a = b ]]; then ls; fi", "[[ … ]]"),
        ("! [[ -e /x ]]", "[[ … ]]"),
        ("source /x", "source"),
        ("cd /x && source ./env", "source"),
        ("if true; then source /x; fi", "source"),
        ("cat <<< text", "<<<"),
        ("diff <(a) <(b)", "<( … )"),
        ("tee >(cat) < /x", "<( … )"),
        ("ls &> /x", "&>"),
        ("ls &>> /x", "&>"),
        ("ls |& cat", "|&"),
        ("a=(1 2)", "an array"),
        ("a+=(3)", "an array"),
        ("a+=b", "+="),
        ("function f { ls; }", "function"),
        ("set -o pipefail", "pipefail"),
        ("set -euo pipefail\nls", "pipefail"),
        ("echo {1..3}", "{a..b}"),
        ("echo {a..z..2}", "{a..b}"),
        ("mkdir /x/{a,b}", "{a,b}"),
        ("cp f{,.bak}", "{a,b}"),
        ("(( i++ ))", "(( … ))"),
        ('[ "$a" == b ]', "== in [ ]"),
        ("declare -a x", "a bash builtin"),
        ("pushd /x && ls", "a bash builtin"),
        ("printf %s $'a\\n'", "$'…'"),
        ('echo "${a[0]}"', "${x[…]}"),
        ('echo "${a^^}"', "${x^}, ${x,} or ${x/a/b}"),
        ("echo ${a//x/y}", "${x^}, ${x,} or ${x/a/b}"),
        ("echo ${a:2:3}", "${x:1}"),
        ("echo ${!name}", "${!x}"),
        ('x="$(</etc/hostname)"', "$(<FILE)"),
        ("sh -c '[[ -e /x ]]'", "[[ … ]]"),
        ("curtin in-target -- /bin/sh -ec 'source /x'", "source"),
        ('dash -c "[[ -e /x ]]"', "[[ … ]]"),
    ],
)
def test_bash_syntax_is_seen(command: str, name: str) -> None:
    assert [seen for seen, _ in bashisms(command)] == [name]


@pytest.mark.parametrize(
    "command",
    [
        "[ -e /x ] && . /etc/os-release",
        "bash -c '[[ -e /x ]] && source /y'",
        "/usr/bin/bash -euxc '[[ -e /x ]]'",
        "curtin in-target -- bash -c 'a=(1 2); echo ${a[0]}'",
        "sed 's/[[:space:]]*$//' /x",
        "grep '[[]' /x",
        "awk '{print $1, $2}' /x",
        'awk "{print \\$1,\\$2}" /x',
        "find / -name x -exec rm {} +",
        "echo '<<< and &> and [[ and {a..b}'",
        "ls > /x 2>&1",
        "ls >/x 2>/dev/null &",
        "echo ${a:-b} ${a:+c} ${a#x} ${a%%y} ${#a}",
        "x=$((1 + 2)); y=$( (ls) )",
        "name() { ls; }; name",
        "# [[ in a comment\nls",
        "cat > /target/x <<'EOF'\n[[ -e /x ]] && source /y\nEOF\nls",
        "cat > /target/x <<-EOF\n\tfunction f { echo {1..3}; }\n\tEOF",
        "echo a==b",
        "ls /opt/data-source /x",
        "outsource /x",
        "tar -C /x --exclude='{a,b}' -cf /y .",
        "test \"$a\" = b || echo 'x=(1)'",
        "set -eu",
        'echo "${a}" "$b" "it\'s"',
        "echo it\\'s [[",
    ],
)
def test_what_sh_takes_is_left_alone(command: str) -> None:
    assert list(bashisms(command)) == []


@pytest.mark.parametrize("command", ["echo 'open", 'echo "open', "cat <<EOF\nopen", "\\", "'", "${", "[[", ""])
def test_unfinished_command_is_read_to_its_end(command: str) -> None:
    assert list(bashisms(command)) == []


@pytest.mark.parametrize(
    "command",
    ["if a; then b; fi\\\n&& c", "echo $${", "x=$((1 + (2)))", "x=$(( $(a) ) ))", "cat <<'EOF'\n$(a\nEOF\n"],
)
def test_what_sh_can_parse_has_no_flaw(command: str) -> None:
    assert syntax_flaw(command) is None


@pytest.mark.parametrize(
    "command", ["a | ! b", "f() ! a", "a 2>2>b", "cat <<EOF\n$(a\nEOF\n", "x=$((1", "cat <<EOF\n`a\nEOF\n"]
)
def test_what_sh_cannot_parse_has_a_flaw(command: str) -> None:
    assert syntax_flaw(command)
