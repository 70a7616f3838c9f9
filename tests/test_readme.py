import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_readme_s_code_runs(code, capsys):
    exec(code, {})
    assert "loss before learning: 0.693\n" in capsys.readouterr().out
