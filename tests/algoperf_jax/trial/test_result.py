"""What code, and a person in a notebook, gets from a trial."""

import builtins

import polars as pl
import pytest
from toy_runs import OUT_OF_REACH, run, sgd
from toy_workload import toy

from algoperf_jax import Settings, Silent, TrialFailed, train
from algoperf_jax.errors import UserError


@pytest.fixture(scope="module")
def result():
    return run(max_steps=6, eval_every_steps=2)


def failing(batches, carry, moment):
    raise ValueError("no more of this")


def test_its_repr_is_short_and_says_what_came_out(result):
    text = repr(result)
    assert len(text) < 200 and "\n" not in text
    assert text.startswith("<Result of toy with sgd: training complete: training ended after 6")
    best = max(row["validation/score"] for row in result.ledger.evaluations)
    assert f"best score {best:.5g} (target 1); 6 steps" in text


def test_a_result_without_an_evaluation_has_one_too():
    failed = run(submission=sgd(select=failing))
    assert repr(failed).startswith("<Result of toy with sgd: failed: ValueError: no more of this")


def test_evaluations_are_a_frame(result):
    frame = result.frame()
    assert isinstance(frame, pl.DataFrame)
    assert frame["global_step"].to_list() == [1, 2, 4, 6]
    rows = [row["validation/score"] for row in result.ledger.evaluations]
    assert frame["validation/score"].to_list() == rows


def test_pandas_gets_the_same_where_it_is(result):
    pandas = pytest.importorskip("pandas")
    found = result.to_pandas()
    assert isinstance(found, pandas.DataFrame)
    assert found["global_step"].to_list() == [1, 2, 4, 6]


def test_curves_are_drawn_with_the_target(result):
    figure = result.plot()
    assert [trace.name for trace in figure.data] == ["train", "validation", "test"]
    validation = [row["validation/score"] for row in result.ledger.evaluations]
    assert list(figure.data[1].y) == validation
    assert list(result.plot("loss", by="global_step").data[0].x) == [1, 2, 4, 6]
    assert len(figure.layout.shapes) == 1 and not result.plot("loss").layout.shapes
    with pytest.raises(UserError, match="no metric 'bleu'; there are loss, num_examples, score"):
        result.plot("bleu")
    with pytest.raises(UserError, match="by: 'epoch' given, it is one of score, global_step"):
        result.plot(by="epoch")


def test_a_failed_trial_raises_where_that_is_wanted(tmp_path):
    arguments = toy(target=OUT_OF_REACH), sgd(select=failing), Settings(replicas=2)
    assert train(*arguments, reporter=Silent()).outcome.status == "failed"
    with pytest.raises(TrialFailed, match="no more of this.*select") as raised:
        train(*arguments, folder=tmp_path, reporter=Silent(), raise_failure=True)
    assert 'raise ValueError("no more of this")' in str(raised.value)
    assert (tmp_path / "outcome.json").exists()


def test_a_notebook_sees_progress_and_errors_without_asking(monkeypatch, capsys):
    arguments = {"max_steps": 1, "replicas": 2}
    workload = toy(target=OUT_OF_REACH)
    train(workload, sgd(), Settings(**arguments))
    assert capsys.readouterr().out == ""  # nobody watches
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    train(workload, sgd(), Settings(**arguments))
    assert "toy (mini) with sgd" in capsys.readouterr().out
    with pytest.raises(TrialFailed):
        train(workload, sgd(select=failing), Settings(**arguments))
    result = train(workload, sgd(select=failing), Settings(**arguments), raise_failure=False)
    assert result.outcome.status == "failed"
