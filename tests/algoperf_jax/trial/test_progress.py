"""What a person sees: plain lines in a pipe, one live line on a terminal."""

import io

from fake_time import FakeTime
from toy_workload import toy

from algoperf_jax.rules import Target
from algoperf_jax.trial.progress import Lines
from algoperf_jax.trial.settings import Settings
from algoperf_jax.trial.training import train
from reference_algorithms import get


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(out, **settings):
    reporter = Lines(out)
    reporter.LIVE_PERIOD_SECONDS = 0.0
    workload = toy(target=Target("score", "max", -1.0, 1.0))
    settings = Settings(replicas=1, **settings)
    train(workload, get("adamw"), settings, now=FakeTime(), reporter=reporter)
    return out.getvalue()


def test_pipe_gets_plain_lines_with_the_summary_last():
    text = shown(io.StringIO(), max_steps=60, eval_every_steps=10)
    assert "\r" not in text
    lines = text.splitlines()
    assert lines[0].startswith(
        "toy (mini) with adamw, batch 32 (chosen by the workload), replicas 1 on 1 cpu device(s)"
    )
    assert lines[1].startswith("target: validation score >= -1 within")
    assert any("target reached at step" in line for line in lines)


def test_profile_of_too_short_a_trial_is_told(tmp_path):
    out = io.StringIO()
    workload = toy(target=Target("score", "max", 1.0, 1.0))
    for steps in (5, 12):
        train(
            workload,
            get("adamw"),
            Settings(replicas=1, max_steps=steps),
            folder=tmp_path / str(steps),
            now=FakeTime(),
            reporter=Lines(out),
            profile=True,
        )
        assert (tmp_path / str(steps) / "profile").exists() == (steps == 12)
    assert out.getvalue().count("no profile was written: it is of steps 11 to 20") == 1


def test_terminal_gets_a_live_line_that_is_cleared_before_others():
    text = shown(Terminal(), max_steps=3, eval_every_steps=10)
    live = [part for part in text.split("\r") if part.startswith("step 2 ")]
    assert "loss" in live[0]
    assert "score -1." in live[0]
    assert "(>= -1)" in live[0]


def test_missed_target_says_why():
    text = shown(io.StringIO(), max_steps=1)
    assert "target not reached in 1 steps" in text
    assert "training complete, training ended after 1 steps" in text
