"""Check that the pinned versions are the floors that pyproject.toml declares."""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PIN_FILES = {
    "lowest.txt": ["dependencies", "plot", "progress"],
    "torch.txt": ["torch"],
}


def versions(lines, operator):
    """The version that follows `operator`, by name, where a line has one."""
    requirements = [Requirement(line) for line in lines]
    return {
        requirement.name: Version(specifier.version)
        for requirement in requirements
        for specifier in requirement.specifier
        if specifier.operator == operator
    }


project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
declared = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
failed = False
for file_name, groups in PIN_FILES.items():
    lines = (ROOT / ".ci" / file_name).read_text().splitlines()
    pins = versions([line for line in lines if line and line[0] != "#"], "==")
    floors = versions([line for group in groups for line in declared[group]], ">=")
    for name in sorted(pins.keys() | floors.keys()):
        pin, floor = pins.get(name), floors.get(name)
        if pin != floor:
            print(f"{name}: {file_name} pins {pin}, pyproject.toml asks for {floor}")
            failed = True
sys.exit(failed)
