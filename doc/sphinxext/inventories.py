"""Links to other projects, also without the internet.

Sphinx reads the inventory of another project from the net, and where it cannot, from a
file. Such files are made here from short lists of what our pages use,
``doc/inventories/NAME.txt``: the address of the project's documentation, then a line
for each object, of its kind, name and page. To look the pages up anew in whole
inventories:

    python doc/sphinxext/inventories.py python=path/to/objects.inv sklearn=...
"""

import sys
import zlib
from pathlib import Path

from sphinx.util.inventory import InventoryFile

LISTS = Path(__file__).resolve().parent.parent / "inventories"
HEADER = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# zlib\n"


def mapping(lists, build):
    """The value of ``intersphinx_mapping``; the packed lists go into `build`."""
    build.mkdir(exist_ok=True)
    return {path.stem: packed(path, build) for path in sorted(lists.glob("*.txt"))}


def packed(path, build):
    """The address of a project, and its inventories: of the net, and of a file."""
    address, *lines = path.read_text().splitlines()
    entries = (line.split(" ", 2) for line in lines)
    objects = "".join(f"{name} {kind} 1 {page} -\n" for kind, name, page in entries)
    target = build / f"{path.stem}.inv"
    header = HEADER.format(path.stem).encode()
    target.write_bytes(header + zlib.compress(objects.encode()))
    return address, (None, str(target))


def trim(name, whole):
    """Take the pages of the objects that ``NAME.txt`` lists from a whole inventory.

    A line about what that one does not have stays as it is.
    """
    path = LISTS / f"{name}.txt"
    address, *lines = path.read_text().splitlines()
    found = InventoryFile.loads(Path(whole).read_bytes(), uri="").data
    kept = []
    for kind, object_name, *page in (line.split(" ") for line in lines):
        if object_name in found.get(kind, {}):
            page = [found[kind][object_name].uri]
        kept.append(" ".join([kind, object_name, *page]))
    path.write_text("\n".join([address, *sorted(kept), ""]))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        trim(*argument.split("="))
