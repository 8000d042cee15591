"""Check that links and pictures of the built site lead to what is there.

python doc/sphinxext/links.py doc/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = set(), {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.places |= {attrs.get("id"), attrs.get("name")}
        self.links |= {attrs.get("href"), attrs.get("src")} - {None}


def broken(site):
    """A line for each link within the site that leads nowhere."""
    paths = [path.resolve() for path in sorted(site.rglob("*.html"))]
    static = site.resolve() / "_static"
    pages = {path: Page(path) for path in paths if static not in path.parents}
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:  # somewhere else
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            target = target if parts.path else path
            place = unquote(parts.fragment)
            if not target.exists() or place not in getattr(
                pages.get(target), "places", [place]
            ):
                yield f"{path.relative_to(site.resolve())}: {link}"


if __name__ == "__main__":
    lines = list(broken(Path(sys.argv[1])))
    print("\n".join(lines) or "All links within the site lead somewhere.")
    sys.exit(bool(lines))
