"""Walks the files of a site as an independent crawler would, with nothing but Python's standard library.

    python3 walk-site.py ROOT START...

ROOT is the folder that a web server serves, START are paths of start pages. Prints one JSON object: `pages` maps the
path of each page that can be reached to its title and first heading, without white space; `moved` lists pages that only
send their reader elsewhere, `missing` links whose file does not exist, `other` files that are no HTML.
"""
import codecs
import json
import os
import re
import sys
from html.parser import HTMLParser
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

ORIGIN = "http://site.test"
HEADINGS = ("h1", "h2", "h3")


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.base = None
        self.links = []
        self.refresh = None
        self.title = None
        self.headings = {}
        self.open = None
        self.text = []
        self.hidden = 0

    def handle_starttag(self, tag, attributes):
        found = dict(reversed(attributes))
        if tag in ("noscript", "template", "iframe"):
            self.hidden += 1
        if tag == "iframe" or tag == "frame":
            self.link(found.get("src"))
        if self.hidden:
            return
        if tag == "base" and self.base is None:
            self.base = found.get("href")
        if tag in ("a", "area"):
            self.link(found.get("href"))
        if tag == "meta" and (found.get("http-equiv") or "").lower() == "refresh" and self.refresh is None:
            match = re.match(r"\s*\d+[\s;,]+(?:url\s*=\s*)?['\"]?([^'\"]+)", found.get("content") or "", re.I)
            self.refresh = match.group(1).strip() if match else None
        if tag == "title" and self.title is None or tag in HEADINGS and tag not in self.headings:
            self.open = tag
            self.text = []

    def handle_endtag(self, tag):
        if tag in ("noscript", "template", "iframe") and self.hidden:
            self.hidden -= 1
        if tag == self.open:
            text = re.sub(r"\s+", "", "".join(self.text))
            if tag == "title":
                self.title = text
            else:
                self.headings[tag] = text
            self.open = None

    def handle_data(self, data):
        if self.open is not None and not self.hidden:
            self.text.append(data)

    def link(self, reference):
        if reference is not None:
            self.links.append(reference)

    def heading(self):
        return next((self.headings[tag] for tag in HEADINGS if self.headings.get(tag)), "")


def decoded(data):
    if data.startswith(codecs.BOM_UTF8):
        return data[3:].decode("utf-8", "replace")
    match = re.search(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)", data[:1024], re.I)
    label = match.group(1).decode("ascii").lower() if match else "utf-8"
    # What browsers read under these names.
    encoding = "cp1252" if label in ("iso-8859-1", "us-ascii", "ascii", "latin1", "windows-1252") else label
    return data.decode(encoding, "replace")


def path_of(reference, base):
    """The path of a link within the site; None for a link that leads elsewhere or nowhere."""
    try:
        url = urlsplit(urljoin(base, reference.strip().replace("\n", "").replace("\t", "").replace("\\", "/")))
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or url.netloc != urlsplit(ORIGIN).netloc:
        return None
    # Escapes in one form, so that each page has one path.
    path = quote(unquote_to_bytes(url.path or "/"), safe="/!$&'()*+,;=:@~._-[]|^")
    return urlunsplit(("", "", path, url.query, ""))


def file_of(root, path):
    name = unquote_to_bytes(path.split("?")[0])
    if name.endswith(b"/"):
        name += b"index.html"
    return os.path.join(os.fsencode(root), name.lstrip(b"/"))


def walk(root, starts):
    pages, moved, missing, other = {}, [], set(), set()
    seen, open_paths = set(starts), list(starts)
    while open_paths:
        path = open_paths.pop()
        file = file_of(root, path)
        if os.path.isdir(file):
            # The server adds the slash.
            moved.append(path)
            targets = [path + "/"]
        elif not os.path.isfile(file):
            missing.add(path)
            continue
        elif not file.endswith((b".html", b".htm")):
            other.add(path)
            continue
        else:
            page = Page()
            with open(file, "rb") as source:
                page.feed(decoded(source.read()))
                page.close()
            here = ORIGIN + path
            base = urljoin(here, page.base) if page.base else here
            if page.refresh is not None:
                moved.append(path)
                targets = [path_of(page.refresh, base)]
            else:
                pages[path] = [page.title or "", page.heading()]
                targets = [path_of(link, base) for link in page.links]
        for target in targets:
            if target is not None and target not in seen:
                seen.add(target)
                open_paths.append(target)
    return {"pages": pages, "moved": sorted(moved), "missing": sorted(missing), "other": sorted(other)}


json.dump(walk(sys.argv[1], sys.argv[2:]), sys.stdout)
