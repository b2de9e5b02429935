"""How commands end: the exit status and what they print."""

import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from command_line import answer_for

from algoperf_jax.errors import DataError, MachineError, TrialError, UserError


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("no such workload"), 2),
        (DataError("no such data"), 2),
        (TrialError("cannot resume"), 3),
        (OSError("disk full"), 1),
        (MachineError("no room"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_status_tells_what_is_at_fault(error, status, capsys):
    with pytest.raises(SystemExit) as ended:
        answer_for(raising(error))
    assert ended.value.code == status
    if isinstance(error, Exception):
        assert capsys.readouterr().err == f"error: {error}\n"


def test_a_pipe_that_nobody_reads_any_more_ends_quietly(tmp_path):
    """As `command | head` does it; 141 is what a shell reports for it."""
    program = tmp_path / "talk.py"
    program.write_text(
        f"import sys\nsys.path[:0] = {[str(Path(command_line.__file__).parent)]!r}\n"
        "from command_line import answer_for\n"
        "answer_for(lambda: [print('x' * 80) for _ in range(10_000)] and 0)\n"
    )
    talking = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    talking.stdout.close()
    assert talking.stderr.read() == b""
    assert talking.wait() == 141


def test_a_status_survives_output_that_cannot_be_written():
    """A full disk takes the messages, too: of a suite they go to a file beside the record."""
    scripts = str(Path(command_line.__file__).parent)
    program = (
        f"import sys; sys.path[:0] = [{scripts!r}]\n"
        "from command_line import answer_for, tell\n"
        "def main():\n    print('x')\n    tell('error: no room')\n    return 4\n"
        "answer_for(main)\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=full)
    assert done.returncode == 4
