import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_readme_s_code_runs(code, capsys):
    exec(code, {})
    losses = [float(loss) for loss in re.findall(r"learning: (\S+)", capsys.readouterr().out)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 2
