"""A file of the package imports only from lower floors."""

import ast
import re
from pathlib import Path

import pytest

import skebm
from skebm._checkpoint import Checkpoint
from skebm._fitting import Trainable
from skebm._machine import MachineMixin

ROOT = Path(skebm.__file__).parent

FLOORS = {
    "core.backend": 0,
    "core.rows": 1,
    "core.streams": 1,
    "core.units": 2,
    "core.gaussian": 3,
    "core.correlated": 4,
    "core.categorical": 3,
    "core.mixed": 4,
    "core.multinomial": 3,
    "core.machine": 3,
    "core.sampling": 4,
    "core.optimise": 4,
    "core.pretraining": 4,
    "core.tempering": 4,
    "core.network": 4,
    "core.autoencoder": 5,
    "core.adversarial": 5,
    "core.variational": 5,
    "core.variational_bounds": 6,
    "core.variational_training": 7,
    "core.variational_queries": 7,
    "_variational_queries": 9,
    "_vae_epochs": 11,
    "_variational": 12,
    "vae": 13,
    "conditional_vae": 13,
    "core.algorithms": 5,
    "core.missing": 5,
    "core.monitor": 5,
    "core.partition": 5,
    "core.lengths": 6,
    "core.mixture": 3,
    "core.mixture_annealing": 6,
    "core.training": 6,
    "core.early_stopping": 7,
    "core.fine_tuning": 7,
    "core.conditional": 6,
    "core.classes": 8,
    "core.verdict": 8,
    "core.stack": 7,
    "core.wake_sleep": 8,
    "core.ratings": 5,
    "core.rating_training": 7,
    "core.rounds": 7,
    "_warnings": 0,
    "_about": 1,
    "_validation": 7,
    "_plain": 0,
    "_nested": 0,
    "_onnx_graph": 0,
    "_onnx_converters": 22,
    "onnx": 23,
    "_dtypes": 0,
    "_columns": 1,
    "_reader": 2,
    "_callbacks": 0,
    "_checkpoint_file": 1,
    "_checkpoint": 2,
    "_resuming": 8,
    "_labels": 7,
    "_label_scores": 8,
    "_machine": 7,
    "_places": 8,
    "_log_partition": 8,
    "_layers": 8,
    "_rating_rows": 8,
    "_queries": 9,
    "_rating_queries": 9,
    "_posterior": 5,
    "_fitting": 9,
    "_machine_epochs": 10,
    "_network_epochs": 10,
    "_rating_epochs": 11,
    "_base": 11,
    "_class_epochs": 11,
    "_class_queries": 9,
    "_restricted": 12,
    "_documents": 9,
    "rbm": 13,
    "rbm_classifier": 13,
    "gaussian": 13,
    "categorical": 13,
    "mixed": 13,
    "imputer": 14,
    "ratings": 13,
    "multinomial": 13,
    "_stacking": 14,
    "_stack_epochs": 15,
    "dbn": 16,
    "dbm": 16,
    "_dask_rows": 17,
    "_origins": 17,
    "_networks": 18,
    "_fine_tuned": 19,
    "autoencoder": 19,
    "_classifier": 20,
    "supervised": 21,
    "display._drawing": 22,
    "display._fitted": 22,
    "display._tables": 23,
    "display._queries": 23,
    "display._components": 24,
    "display._samples": 24,
    "display._reconstruction": 24,
    "display._history": 24,
    "display._log_partition": 24,
    "display._log_likelihood": 24,
    "display._hidden_activation": 24,
    "dask": 22,
}


def imports(path):
    """Modules of skebm that a file imports, by their names within the package."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
            if node.module:
                base = (*base, *node.module.split("."))
            for alias in node.names:
                name = ".".join((*base, alias.name))
                yield name if name in FLOORS else ".".join(base)


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        if path.name != "__init__.py":
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def test_every_module_has_a_floor():
    assert {name for name, _ in modules()} == set(FLOORS)


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_imports_lead_downwards(name, path):
    for other in imports(path):
        assert FLOORS[other] < FLOORS[name], f"{name} imports {other}"


def test_the_core_knows_no_estimator():
    """Of scikit-learn, only the backend's array helpers."""
    for name, path in modules():
        if name.startswith("core."):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    outside = node.module.startswith("sklearn")
                    assert not outside or name == "core.backend", (
                        f"{name}: {node.module}"
                    )


# Private names of scikit-learn's and Python's that the package uses.
OF_OTHERS = {
    "_getframe",
    "_init_callback_context",
    "_n_features_out",
    "_parameter_constraints",
    "_replace",
}


def test_modules_reach_for_no_private_names_but_declared_ones():
    """What estimators are asked for is declared once, for all of them."""
    owners = (MachineMixin, Trainable, Checkpoint)
    declared = {name for owner in owners for name in vars(owner)}
    declared |= {"_log_z", "_seed", *OF_OTHERS}
    for name, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                owner = ast.unparse(node.value)
                own = owner in {"self", "cls", "super()"}
                assert own or node.attr in declared, f"{name}: {owner}.{node.attr}"


def test_the_page_about_the_architecture_names_every_file():
    """With its floor, where the page is there: not in an installed package."""
    page = ROOT.parent / "doc" / "architecture.rst"
    if not page.exists():
        pytest.skip("no doc folder beside the package")
    rows = re.findall(r"   \* - (\d+)\n     - (``.*)\n", page.read_text())
    named = {
        file.replace("/", "."): int(floor)
        for floor, files in rows
        for file in re.findall(r"``([\w/]+)\.py``", files)
    }
    assert named == FLOORS
