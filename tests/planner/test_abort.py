"""An abort asked for by a person is stored before anything is done about it."""

import pytest

from rollouts.planner.plan import Write
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from tests.planner.model import Model
from tests.planner.test_runs import ANALYSIS, blue_green, canary


def canary_in_analysis() -> Model:
    model = canary([{"setWeight": 20}, {"pause": {}}], analysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    return model


def blue_green_in_analysis() -> Model:
    model = blue_green(prePromotionAnalysis=ANALYSIS)
    model.set_image("app:2")
    model.settle()
    return model


@pytest.mark.parametrize("update", [canary_in_analysis, blue_green_in_analysis])
def test_a_retry_that_overtakes_the_abort_finds_nothing_undone(update):
    """Otherwise a run stopped for the abort would later look as if a person had stopped it."""
    model = update()
    model.abort()
    first = next(each for each in plan(model.world).actions if isinstance(each, Write))
    assert first.resource.kind == "Rollout"
    assert first.body["status"]["abortedAt"]


@pytest.mark.parametrize("update", [canary_in_analysis, blue_green_in_analysis])
@pytest.mark.parametrize("written", range(1, 5))
def test_a_retry_right_after_any_write_of_the_abort_starts_a_new_analysis(update, written):
    model = update()
    model.abort()
    model.world = project(model.world, plan(model.world).writes[:written])
    model.retry()
    model.settle()
    assert model.status.get("pauseConditions", [{}])[0].get("reason") != "InconclusiveAnalysisRun"
    assert [run.name for run in model.world.runs if not run.terminating] != []
