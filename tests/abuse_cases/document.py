"""The tables of operations: docs/openstack.md for OpenStack's APIs, docs/api/*.json for our own.

The document for people writes what belongs together into one row, so reading it is taking its shorthand apart:
`GET; PUT, DELETE | /x; /x/{id}` are methods for the first and for the second place, `{users,groups}` are two paths, and
`...` stands for as much of the path before as what follows it does not repeat. Operations that exist in order to refuse
(FIXED) stand there in sentences."""

import json
import os
import re

from cloud import expect

from abuse_cases import OPENSTACK

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = f"{HERE}/../../docs/openstack.md"
API = f"{HERE}/../../docs/api"
NOBODY = "nobody"
# "Answered 403 with the reason, whoever asks: changing roles, what roles imply, services, endpoints, regions and
# registered limits", "One option is changed and not deleted by itself", "A credential does not change".
FIXED = [("identity", method, path) for methods, path in (
    ("POST", "/v3/roles"), ("PATCH DELETE", "/v3/roles/{id}"), ("PUT DELETE", "/v3/roles/{prior}/implies/{implied}"),
    ("POST", "/v3/services"), ("PATCH DELETE", "/v3/services/{id}"),
    ("POST", "/v3/endpoints"), ("PATCH DELETE", "/v3/endpoints/{id}"),
    ("POST", "/v3/regions"), ("PATCH DELETE", "/v3/regions/{id}"),
    ("POST", "/v3/registered_limits"), ("PATCH DELETE", "/v3/registered_limits/{id}"),
    ("DELETE", "/v3/domains/{id}/config/{group}/{option}"), ("PATCH", "/v3/credentials/{id}"),
) for method in methods.split()]
def operations(mounts):
    """Every operation of what a running product has mounted (`/network`): (service, method, path, who)."""
    found = listed() + [(*key, NOBODY) for key in FIXED] + described()
    return [entry for entry in found if f"/{entry[0]}" in mounts]


def listed():
    """The document's."""
    found, service, before = [], None, []
    with open(DOCUMENT, encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                below = re.search(r"below `(/\w+)`", line)
                service, before = below and below[1].removeprefix("/"), []
                expect(service in (None, *OPENSTACK), "this is no service of OpenStack", line)
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if service and line.startswith("|") and len(cells) == 3 and "`" in cells[1]:
                rows = same(cells[1], before) if cells[0] == "the same" else row(*cells[:2])
                before += rows
                found += [(service, method, path, cells[2]) for method, path in rows]
    return found


def row(methods, text):
    """Methods with paths of a row."""
    found, groups, last, part = [], methods.split(";"), "", 0
    several = len(groups) > 1 and len(groups) == len(text.split(";"))
    # Pieces of the second column: what separates them, methods of their own, and the path.
    for separator, own, path in re.findall(r"(^|[,;])\s*(?:each with\s*)?((?:[A-Z]+,?\s*)*)`([^`]+)`", text):
        part += separator == ";"
        at = groups[part] if several else methods
        last = whole(path, last)
        for method in re.findall("[A-Z]+", own or at):
            found += [(method, one) for one in spread(last)]
    if each := re.search(r"each with `([^`]+)`", text):
        found = [(m, p) for m, p in found if p != each[1]]
        found += [(m, p + each[1]) for m, p in found]
    return found


def whole(path, before):
    """A path whose beginning is `...`."""
    if not path.startswith("..."):
        return path
    rest = path.removeprefix("...")
    first, old = rest.split("/")[1], before.split("/")
    cut = len(old) - 1 - old[::-1].index(first) if first in old else len(old)
    return "/".join(old[:cut]) + rest


def spread(path):
    """A path for each of the words in braces."""
    words = re.search(r"\{(\w+(?:,\w+)+)\}", path)
    if not words:
        return [path]
    return [one for word in words[1].split(",") for one in spread(path.replace(words[0], word, 1))]


def same(text, before):
    """A row that says "the same" as those before it, which are about somebody's roles somewhere: the methods of lists
    for lists, of single ones for single ones."""
    single = {method for method, path in before if path.endswith("/{who}/roles/{role}")}
    many = {method for method, path in before if path.endswith("/{who}/roles")}
    expect(single and many, "nothing is the same", text)
    found = []
    for method, path in row("ANY", text):
        methods = {method} if method != "ANY" else single if "{role}" in path else many
        found += [(one, path) for one in sorted(methods)]
    return found


def written():
    """Our own APIs that have a document."""
    return sorted(name.removesuffix(".json") for name in os.listdir(API))


def described():
    """Those of our own APIs."""
    found = []
    for service in written():
        with open(f"{API}/{service}.json", encoding="utf-8") as file:
            paths = json.load(file)["paths"]
        found += [(service, method.upper(), path.removeprefix(f"/{service}"), "") for path, methods in paths.items()
                  for method in methods if method in ("get", "put", "post", "patch", "delete", "head")]
    return found
