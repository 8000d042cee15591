"""A file of the package imports only from lower floors."""

import ast
from pathlib import Path

import pytest

import skebm

ROOT = Path(skebm.__file__).parent

FLOORS = {
    "core.backend": 0,
    "core.streams": 1,
    "core.units": 1,
    "core.machine": 2,
    "core.sampling": 3,
    "core.optimise": 3,
    "core.pretraining": 3,
    "core.tempering": 3,
    "core.network": 3,
    "core.algorithms": 4,
    "core.missing": 4,
    "core.monitor": 4,
    "core.partition": 4,
    "core.training": 5,
    "core.early_stopping": 6,
    "core.fine_tuning": 6,
    "core.stack": 6,
    "_warnings": 0,
    "_validation": 6,
    "_callbacks": 6,
    "_labels": 6,
    "_queries": 7,
    "_layers": 7,
    "_fitting": 8,
    "_machine_epochs": 9,
    "_network_epochs": 9,
    "_base": 10,
    "rbm": 11,
    "_stacking": 12,
    "_stack_epochs": 13,
    "dbn": 14,
    "dbm": 14,
    "_origins": 15,
    "_fine_tuned": 16,
    "_classifier": 17,
    "supervised": 18,
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
