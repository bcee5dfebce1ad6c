"""Completion: what a real shell offers with the script that we print."""

import subprocess
import sys

import pytest

LIMIT = 30.0


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """What the command prints for bash, in a file."""
    path = tmp_path_factory.mktemp("completion") / "script"
    with path.open("w") as file:
        command = [sys.executable, "-m", "dreamina_async", "completion", "bash"]
        subprocess.run(command, stdout=file, check=True, timeout=LIMIT)
    return path


def completed(script, line):
    """What bash itself offers at the end of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    program = f"""
set -u
source '{script}'
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
function=$(complete -p dreamina-async | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert not done.stderr
    return [word.strip() for word in done.stdout.split("\n") if word.strip()]


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("dreamina-async b", ["bulk"]),
        ("dreamina-async bulk --max-c", ["--max-credits"]),
        ("dreamina-async log", ["login", "logout"]),
        ("dreamina-async completion z", ["zsh"]),
        ("dreamina-async emulator --dialect s4", ["s4"]),
    ],
)
def test_bash_completes_commands_flags_and_choices(line, offers, script):
    assert sorted(completed(script, line)) == offers


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_in_every_shells_script(shell, cli):
    script = cli("completion", shell).out
    for command in ("image", "bulk", "jobs", "login", "--max-credits"):
        assert command.lstrip("-") in script
