"""How commands end: the exit status and what they print."""

import pytest
from command_line import answer_for

from algoperf_jax.errors import DataError, TrialError, UserError


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
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_status_tells_what_is_at_fault(error, status, capsys):
    with pytest.raises(SystemExit) as ended:
        answer_for(raising(error))
    assert ended.value.code == status
    if isinstance(error, Exception):
        assert capsys.readouterr().err == f"error: {error}\n"
