"""Lint reads the settings of comparisons as the controller does, where it can."""

import pytest

from tests.cli.test_lint import found

TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: no-worse}}
spec:
  args: [{{name: app}}, {{name: how-long}}]
  metrics:
    - name: errors
      provider:
        sequential:
          canary: {{bad: 'bad{{app="{{{{args.app}}}}"}}', total: 'all{{app="{{{{args.app}}}}"}}'}}
          stable: {{bad: bad, total: all}}
          {setting}
"""


@pytest.mark.parametrize(
    "setting", ["duration: 5m", 'duration: "{{args.how-long}}"', 'margin: "{{args.how-long}}"']
)
def test_settings_only_a_rollout_knows_are_left_alone(setting):
    assert found(TEMPLATE.format(setting=setting)) == []


def test_settings_that_make_no_sense_are_found_before_anything_runs():
    (flaw,) = found(TEMPLATE.format(setting="margin: much"))
    assert "sequential: margin: 'much' is neither a number nor a percentage" in flaw
