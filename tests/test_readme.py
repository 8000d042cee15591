"""The Python code of the README runs, from its first line to its last."""

import re
from pathlib import Path

import numpy as np

README = Path(__file__).resolve().parent.parent / "README.md"


def test_code_of_the_readme_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) > 1
    score, log_z = capsys.readouterr().out.splitlines()
    assert f"print(rbm.score(X_test))  # {float(score):.1f} nats" in blocks[0]
    assert log_z.startswith("LogPartition(value=95.")
    assert names["lower_halves"].shape == (5, 64)
    given = ~np.isnan(names["X_gaps"])
    np.testing.assert_array_equal(names["X_filled"][given], names["X_gaps"][given])
    assert not np.isnan(names["X_filled"]).any()
    assert names["samples"].shape == (10, 64)
    assert set(names["search"].best_params_) == {"n_components"}
