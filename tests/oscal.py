#!/usr/bin/python3
"""The product's OSCAL files, judged by compliance-trestle.

    tests/oscal.py [--venv DIR] PLACE...

A place is a directory with the files of one report (`jinyun report --format oscal`), or a pack. In a virtual environment
that is pinned in tests/oscal/requirements.txt (made once), each file is read by trestle's own models and judged by all of
its validators, and trestle resolves each profile. What trestle does not look at is checked here: that each reference leads
somewhere (controls, objectives, observations, risks, components, roles, files, resources) and that hashes of evidence that
lies beside the files are right. At last each file is spoilt in several ways, and a judge that still takes it fails the run."""

import argparse
import copy
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PINNED = f"{HERE}/oscal/requirements.txt"
# Where trestle keeps what documents import.
DIRECTORIES = {"catalog": "catalogs", "profile": "profiles"}
MODELS = {
    "catalog": ("catalog", "Catalog"), "profile": ("profile", "Profile"),
    "component-definition": ("component", "ComponentDefinition"), "system-security-plan": ("ssp", "SystemSecurityPlan"),
    "assessment-plan": ("assessment_plan", "AssessmentPlan"),
    "assessment-results": ("assessment_results", "AssessmentResults"),
    "plan-of-action-and-milestones": ("poam", "PlanOfActionAndMilestones")}


def environment(where):
    """The virtual environment with what requirements.txt says; made once, and again when that file changes."""
    with open(PINNED, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    stamp = f"{where}/requirements.sha256"
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == digest:
        return
    print(f"Making {where} (once)", flush=True)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    if subprocess.run([sys.executable, "-m", "venv", where], capture_output=True).returncode != 0:
        shutil.rmtree(where)
        subprocess.run(["virtualenv", "-q", "-p", sys.executable, where], check=True)
    subprocess.run([f"{where}/bin/pip", "install", "-q", "--no-input", "-r", PINNED], check=True)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(digest)


def members(value, path=()):
    """Every (path, value) of a document."""
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from members(one, (*path, key))


class Place:
    """The documents of one report, and a workspace of trestle's with what they import."""

    def __init__(self, where, scratch):
        self.where, self.documents, self.root = pathlib.Path(where), {}, pathlib.Path(scratch)
        (self.root / ".trestle").mkdir()
        for path in sorted(self.where.glob("*.json")):
            document = json.loads(path.read_text(encoding="utf-8"))
            if len(document) == 1 and "metadata" in next(iter(document.values())):
                self.documents[path.name] = document
        if not self.documents:
            raise SystemExit(f"{where}: no OSCAL file is there")
        for name, document in self.documents.items():
            (kind, _), = document.items()
            if kind in DIRECTORIES:
                path = self.root / DIRECTORIES[kind] / name.removesuffix(".json") / f"{kind}.json"
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps(self.moved(document)), encoding="utf-8")

    def moved(self, document):
        """A copy whose imports lead into the workspace."""
        document = copy.deepcopy(document)
        (kind, body), = document.items()
        imports = body.get("imports", []) if kind == "profile" else [body.get("import-profile", {})]
        for one in imports:
            href = one.get("href", "")
            if href in self.documents:
                (target, _), = self.documents[href].items()
                one["href"] = f"trestle://{DIRECTORIES[target]}/{href.removesuffix('.json')}/{target}.json"
        return document

    def read(self, document):
        """What trestle's models and validators say against a document."""
        import trestle.oscal as oscal
        from trestle.core.validator_factory import validator_factory
        from trestle.common import const
        (kind, body), = document.items()
        if kind not in MODELS:
            return [f"{kind} is no OSCAL document"]
        module, model = MODELS[kind]
        path = self.root / f"{kind}.json"
        path.write_text(json.dumps(self.moved(document)), encoding="utf-8")
        judge = validator_factory.get(argparse.Namespace(mode=const.VAL_MODE_ALL))
        try:
            made = getattr(__import__(f"trestle.oscal.{module}", fromlist=[model]), model).oscal_read(path)
            valid = made is not None and judge.model_is_valid(made, True, self.root)
        except Exception as error:  # trestle raises what it likes
            return [" ".join(str(error).split())[:600]]
        if made is None:
            return ["trestle reads nothing from it"]
        found = [] if valid else [f"does not pass: {judge.error_msg()}"]
        if body["metadata"]["oscal-version"] != oscal.OSCAL_VERSION:
            found.append(f"is not of OSCAL {oscal.OSCAL_VERSION}")
        return found

    def references(self):
        """References that lead nowhere, and uuids that stand for two things."""
        found, controls, parts, uuids, resources = [], set(), set(), set(), {}
        for name, document in self.documents.items():
            own = set()
            for path, value in members(document):
                if not isinstance(value, dict):
                    continue
                if "controls" in path[-2:-1] and "catalog" in document:
                    controls.add(value["id"])
                if "parts" in path[-2:-1] and "id" in value:
                    parts.add(value["id"])
                if "uuid" in value:
                    if value["uuid"] in own:
                        found.append(f"{name}: two things have the uuid {value['uuid']}")
                    own.add(value["uuid"])
            uuids |= own
            body = next(iter(document.values()))
            resources[name] = {one["uuid"]: one for one in body.get("back-matter", {}).get("resources", [])}
        for name, document in self.documents.items():
            body = next(iter(document.values()))
            roles = {role["id"] for role in body["metadata"].get("roles", [])}
            for path, value in members(document):
                last = path[-1] if path else None
                key = path[-2] if path and isinstance(last, int) else last
                if not isinstance(value, str):
                    continue
                lost = (key in ("control-id", "with-ids") and value not in controls
                        or key == "target-id" and value not in parts
                        or key in ("role-id", "role-ids") and value not in roles
                        or isinstance(key, str) and re.fullmatch(r".+-uuids?", key) and value not in uuids)
                if key == "href":
                    if value.startswith("#"):
                        lost = value[1:] not in resources[name] and value[1:] not in controls
                    elif not value.startswith("../"):
                        lost = value not in self.documents
                if key == "source":
                    lost = value not in self.documents
                if lost:
                    found.append(f"{name}: {'/'.join(map(str, path))} leads nowhere: {value}")
            for resource in resources[name].values():
                for link in resource.get("rlinks", []):
                    beside = self.where / link["href"]
                    if beside.is_file():
                        digest = hashlib.sha256(beside.read_bytes()).hexdigest()
                        if [one["value"] for one in link["hashes"] if one["algorithm"] == "SHA-256"] != [digest]:
                            found.append(f"{name}: {link['href']} has another digest than the resource says")
        return found

    def resolved(self):
        """What trestle cannot resolve, or resolves to other controls than the profile names."""
        from trestle.core.profile_resolver import ProfileResolver
        found = []
        for name, document in self.documents.items():
            if "profile" not in document:
                continue
            wanted = set()
            for one in document["profile"]["imports"]:
                wanted |= {value["id"] for path, value in members(self.documents[one["href"]])
                           if path[-2:-1] == ("controls",)} if "include-all" in one else {
                    ident for select in one["include-controls"] for ident in select["with-ids"]}
            path = self.root / "profiles" / name.removesuffix(".json") / "profile.json"
            try:
                catalog = ProfileResolver.get_resolved_profile_catalog(self.root, path)
            except Exception as error:
                found.append(f"{name}: cannot be resolved: {' '.join(str(error).split())[:300]}")
                continue
            got = {value["id"] for path, value in members(json.loads(catalog.oscal_serialize_json()))
                   if path[-2:-1] == ("controls",)}
            if got != wanted:
                found.append(f"{name}: resolves to {len(got)} controls, names {len(wanted)}")
        return found

    def problems(self):
        """Everything that is wrong."""
        found = [f"{name}: {what}" for name, document in self.documents.items() for what in self.read(document)]
        return found + self.references() + self.resolved()


def spoilt(document):
    """Copies of a document, each with one thing wrong."""
    (kind, body), = document.items()

    def other(what, change):
        spoil = copy.deepcopy(document)
        change(spoil[kind])
        return what, spoil
    yield other("no title", lambda b: b["metadata"].pop("title"))
    yield other("a uuid that is none", lambda b: b.update(uuid=b["uuid"][:-1] + "x"))
    yield other("an unknown member", lambda b: b.update(extra=1))
    yield other("a time without a zone", lambda b: b["metadata"].update({"last-modified": "yesterday"}))
    yield other("a role that is not there", lambda b: b["metadata"]["responsible-parties"][0].update({"role-id": "x"}))
    yield other("another version", lambda b: b["metadata"].update({"oscal-version": "0.9.0"}))
    for path, value in members(body):
        if path and path[-1] in ("control-id", "target-id", "observation-uuid", "actor-uuid") and isinstance(value, str):
            def change(b, path=path, value=value):
                for key in path[:-1]:
                    b = b[key]
                b[path[-1]] = "zz" + value[2:] if path[-1].endswith("-id") else value[:-4] + "0000"
            yield other(f"{path[-1]} leads nowhere", change)
            break


def judge(where):
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(where, scratch)
        found = place.problems()
        tried = 0
        for name, document in list(place.documents.items()):
            for what, spoil in spoilt(document):
                tried += 1
                place.documents[name] = spoil
                if not place.read(spoil) and not place.references():
                    found.append(f"{name} with {what} was taken: this judge is blind")
            place.documents[name] = document
    for one in found:
        print(f"FAILED: {one}")
    print(f"{where}: {len(place.documents)} documents, {len(found)} problems, {tried} spoilt copies tried")
    return not found


def inside(places):
    import logging
    logging.disable(logging.CRITICAL)
    good = True
    for place in places:
        if os.path.isdir(place):
            good &= judge(place)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            with tarfile.open(place) as pack:
                for one in pack:
                    parts = pathlib.PurePosixPath(one.name).parts
                    if one.isfile() and ".." not in parts and not one.name.startswith("/"):
                        path = pathlib.Path(scratch, *parts)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(pack.extractfile(one).read())
            good &= judge(f"{scratch}/oscal")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", default="/var/cache/jinyun/oscal/venv", help="virtual environment, made if need be")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("places", nargs="+", help="a directory of OSCAL files, or a pack")
    asked = parser.parse_args()
    if asked.inside:
        sys.exit(0 if inside(asked.places) else 1)
    environment(asked.venv)
    python = f"{asked.venv}/bin/python"
    os.execv(python, [python, os.path.abspath(__file__), "--inside", *asked.places])
