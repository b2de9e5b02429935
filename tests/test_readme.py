"""The README's code, run as it stands but for shorter loops."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
SHORTER = {"max_steps=200": "max_steps=1", "range(300)": "range(2)"}


@pytest.mark.parametrize("block", BLOCKS, ids=["trial", "loop"])
def test_code_of_the_readme_runs(block, capsys):
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    if "print(" in block:
        assert "mean_average_precision" in capsys.readouterr().out
