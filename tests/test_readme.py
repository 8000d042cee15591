"""The Python code of the README runs, from its first line to its last."""

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def test_code_of_the_readme_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) > 1
    score, log_z = capsys.readouterr().out.splitlines()
    # Versions of the libraries round differently, and training magnifies it.
    told = re.search(r"rbm\.score\(X_test\)\)  # (-[\d.]+) nats", blocks[0])
    assert float(score) == pytest.approx(float(told[1]), abs=0.5)
    found, told = (
        re.search(r"LogPartition\(value=([\d.]+)", x) for x in (log_z, blocks[1])
    )
    assert float(found[1]) == pytest.approx(float(told[1]), abs=15.0)
    assert names["lower_halves"].shape == (5, 64)
    given = ~np.isnan(names["X_gaps"])
    np.testing.assert_array_equal(names["X_filled"][given], names["X_gaps"][given])
    assert not np.isnan(names["X_filled"]).any()
    assert names["samples"].shape == (10, 64)
    assert set(names["search"].best_params_) == {"n_components"}
