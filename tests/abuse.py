#!/usr/bin/python3
"""Bad input for every operation of the API, against an instance of its own with simulated hosts.

    tests/abuse.py --binary PATH [--instance NAME] [--port N] [--management-port N] [--postgres STRING] [--keep]

The list of operations is docs/openstack.md; one without a case in CASES is an error. Whatever comes in, the answer is
the protocol's own: no 5xx (but Nova's 501), no broken connection, the service's envelope with words that name what was
wrong, and a request id. What hides a stranger's thing gives the answer for a thing that is not there. Afterwards the
journal has each refusal under its request id and no secret, it verifies, and the cloud still works.
The last line is `N passed, N failed`."""

import argparse
import base64
import collections
import concurrent.futures
import copy
import html
import http.client
import itertools
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from cloud import Failed, Instance, expect, run, until
from tour import stand_in_image

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = f"{HERE}/../docs/openstack.md"
WORKERS = 8
LARGE = 2 << 20  # more than a JSON body may have
LONG = 4096  # characters that the words of a refusal may have, whatever was sent
SERVICES = {"identity": "/identity", "image": "/image", "volume": "/volume", "network": "/network", "compute": "/compute"}
STAFF = {"sysadmin": "system_admin", "secadmin": "security_admin", "auditor": "audit_admin"}
UUID, HEX = "0badc0de-0bad-4bad-8bad-00000badc0de", "0badc0de0bad4bad8bad00000badc0de"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
ROLES = {name: f"9f1c1d6ad4a94b2f8a2f6c8b6e0a10{n}" for name, n in
         (("reader", "01"), ("member", "02"), ("manager", "03"), ("system_admin", "11"), ("audit_admin", "13"))}
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
          406: "Not Acceptable", 409: "Conflict", 412: "Precondition Failed", 413: "Request Entity Too Large",
          415: "Unsupported Media Type"}
NOVA = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 406: "badRequest",
        409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 501: "notImplemented"}
FINE = {200, 201, 202, 204, 300}
# What stands in for an id. None may be found, lead elsewhere, or upset anything.
TRICKS = ["..%2f..%2f", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%00", f"{UUID}%00", "%ff%fe", "%", "%zz", "%0d%0aX-Evil:1",
          "'%20OR%20'1'='1", "%25s%25n", "%E2%80%AE%F0%9F%98%80", "-1", "null", "x" * 4000]
QUERIES = ["limit=-1", "limit=abc", "limit=99999999999999999999999", "limit=1&limit=2", "limit=0", f"marker={UUID}",
           "marker=", "sort_key=nonsense&sort_dir=sideways", "sort=nonsense:sideways", "fields=id&fields=%00", "name=%00",
           "name=%ff%fe&id=..%2f..%2f", "&&&===&", "%", "%zz=%zz", "name=" + "x" * 8000, "all_tenants=1&all_projects=1",
           "=1;--", "changes-since=yesterday", "changes-since=9999-12-31T23:59:60%2B23:59", "offset=-1", "with_count=maybe",
           "status=nonsense&status=%0a", "created_at=gt:garbage", "minDisk=-9999999999999999999", "is_public=garbage",
           "name[]=1&name[a][b]=2", "usage=%F0%9F%98%80", "tenant_id=..%2f..", "size_min=-1", "ip=%28%5B%2A", "user.id=%00"]
MALFORMED = [b"{", b'{"a":}', b"[1,", b"nul", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\xff\xfe"}', b'{"a": "\\ud800"}',
             b'\xef\xbb\xbf{"a": 1}', b'{"a": 1} trailing', b"{'a': 1}", b"[" * 100_000, b'{"a":' * 50_000, b"\0\0\0",
             b"<xml/>", b"a=1&b=2", b'{"a": "\x01"}', b'{"a": 01}']


# The table of operations ------------------------------------------------------------------------------------------

def operations():
    """The document's: (service, method, path, who)."""
    found, service = [], None
    with open(DOCUMENT, encoding="utf-8") as file:
        for line in file:
            if line.startswith("## "):
                below = re.search(r"below `(/\w+)`", line)
                service = below and {path: name for name, path in SERVICES.items()}[below[1]]
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if service and line.startswith("|") and len(cells) == 3 and cells[1].startswith("`"):
                found += [(service, method.strip(), cells[1].strip("`"), cells[2]) for method in cells[0].split(",")]
    return found


class Case:
    """How an operation is used rightly, and so how wrongly.

    `by` may do it. `here` names the things of the world that stand in the path: all of ann's institution. `other`
    must not learn of them. `body` makes a body that would do, `at` finds its members, `members` says what they are.
    `hides` are the codes that a stranger may get, `absent` those for ids that nobody has."""

    def __init__(self, by="ann", here="", other="bob", body=None, members="", at=None, empty=True, **more):
        self.by, self.other, self.body, self.members, self.empty = by, other, body, members, empty
        self.here = dict(pair.split("=") for pair in here.split())
        self.at = at or (lambda whole: next(iter(whole.values())))
        self.hides, self.absent = more.get("hides", {404}), more.get("absent", {404})
        self.pages = more.get("pages", False)
        self.free = more.get("free", "").split()  # parameters that are no ids of things
        self.idle = more.get("idle", False)  # takes no body
        self.stream = more.get("stream", False)
        self.names = more.get("names", ())  # what a member is called in a refusal, beside its name
        self.unknown = more.get("unknown", True)  # refuses members that it does not know


CASES = {}


def case(service, which, **settings):
    """Settings for operations, `METHOD /path`, several separated by `|`."""
    for operation in which.split("|"):
        key = (service, *operation.split())
        expect(key not in CASES, f"{key} has two cases")
        CASES[key] = Case(**settings)


counter = itertools.count(1)


def fresh(word="abuse"):
    return f"{word}-{next(counter)}"


def identity_cases():
    add = lambda which, **settings: case("identity", which, **settings)
    add("GET /|GET /v3", other=None)
    add("POST /v3/auth/tokens", other=None, body=lambda w: login(w.users["ann"]), unknown=False,
        members="identity!=object scope=object")
    add("GET /v3/auth/tokens|HEAD /v3/auth/tokens|DELETE /v3/auth/tokens", other=None)
    add("GET /v3/auth/projects|GET /v3/auth/domains|GET /v3/auth/catalog|GET /v3/roles|GET /v3/registered_limits"
        "|GET /v3/services|GET /v3/endpoints|GET /v3/regions", other=None)
    add("GET /v3/roles/{id}", here="id=reader", other=None)
    add("GET /v3/services/{id}", here="id=service", other=None)
    add("GET /v3/domains", by="secadmin", other=None, pages=True)
    add("POST /v3/domains", by="secadmin", other=None, body=lambda w: {"domain": {"name": fresh()}},
        members="name!=text description=free enabled=bool options=object tags=texts")
    add("GET /v3/domains/{id}|DELETE /v3/domains/{id}", by="secadmin", other="boss2", here="id=spare_domain")
    add("PATCH /v3/domains/{id}", by="secadmin", other="boss2", here="id=spare_domain",
        body=lambda w: {"domain": {"description": "d"}}, members="name=text description=free enabled=bool")
    add("GET /v3/projects", by="boss", other=None, pages=True)
    add("POST /v3/projects", by="boss", other=None, body=lambda w: {"project": {"name": fresh()}},
        members="name!=text description=free enabled=bool domain_id=ref parent_id=ref is_domain=bool tags=texts")
    add("GET /v3/projects/{id}|DELETE /v3/projects/{id}", by="boss", other="boss2", here="id=spare_project")
    add("PATCH /v3/projects/{id}", by="boss", other="boss2", here="id=spare_project",
        body=lambda w: {"project": {"description": "d"}}, members="name=text description=free enabled=bool tags=texts")
    add("GET /v3/users", by="boss", other=None, pages=True)
    add("POST /v3/users", by="boss", other=None, body=lambda w: {"user": {"name": fresh(), "domain_id": w["bank"]}},
        members="name!=text description=free email=text enabled=bool domain_id=ref default_project_id=label "
                "password=secret")
    add("GET /v3/users/{id}|DELETE /v3/users/{id}|GET /v3/users/{id}/projects", by="boss", other="boss2",
        here="id=spare_user")
    add("PATCH /v3/users/{id}", by="boss", other="boss2", here="id=spare_user",
        body=lambda w: {"user": {"description": "d"}},
        members="name=text description=free email=text enabled=bool default_project_id=label password=secret")
    add("POST /v3/users/{id}/password", by="ann", other=None, here="id=spare_user", absent={401},
        body=lambda w: {"user": {"password": password(), "original_password": password()}},
        members="password!=secret original_password!=secret")
    add("GET /v3/role_assignments", by="boss", other=None)
    for scope, here in (("domains", "scope=bank"), ("projects", "scope=pay")):
        path = f"/v3/{scope}/{{scope}}/users/{{user}}/roles"
        add(f"GET {path}", by="boss", other="boss2", here=f"{here} user=rita", hides={200, 403, 404}, absent={200, 404})
        add(f"PUT {path}/{{role}}", by="boss", other="boss2", here=f"{here} user=rita role=reader", idle=True,
            hides={403, 404}, absent={403, 404})
        add(f"DELETE {path}/{{role}}", by="boss", other="boss2", here=f"{here} user=rita role=reader",
            hides={403, 404}, absent={403, 404})
        add(f"GET {path}/{{role}}|HEAD {path}/{{role}}", by="boss", other="boss2",
            here=f"{here} user=rita role=reader")
    path = "/v3/system/users/{user}/roles"
    add(f"GET {path}", by="secadmin", other="boss2", here="user=sysadmin", hides={200, 403, 404}, absent={200, 404})
    add(f"PUT {path}/{{role}}", by="secadmin", other="boss2", here="user=sysadmin role=system_admin", idle=True,
        hides={403, 404}, absent={403, 404})
    add(f"DELETE {path}/{{role}}", by="secadmin", other="boss2", here="user=sysadmin role=system_admin",
        hides={403, 404}, absent={403, 404, 409})
    add(f"GET {path}/{{role}}|HEAD {path}/{{role}}", by="secadmin", other="boss2", here="user=sysadmin role=system_admin")
    add("GET /v3/limits", by="sysadmin", other=None, pages=True)
    add("POST /v3/limits", by="sysadmin", other=None, at=lambda whole: whole["limits"][0],
        body=lambda w: {"limits": [{"project_id": w["spare_project"], "resource_name": "volumes", "resource_limit": 5}]},
        members="resource_name!=plain project_id!=ref resource_limit!=int(-1,9223372036854775807) description=plain")
    add("GET /v3/limits/{id}|DELETE /v3/limits/{id}", by="sysadmin", other="boss2", here="id=limit")
    add("PATCH /v3/limits/{id}", by="sysadmin", other="boss2", here="id=limit",
        body=lambda w: {"limit": {"description": "d"}},
        members="resource_limit=int(-1,9223372036854775807) description=text")


def image_cases():
    add = lambda which, **settings: case("image", which, **settings)
    add("GET /|GET /v2|GET /v2/info/import|GET /v2/schemas/image|GET /v2/schemas/images|GET /v2/schemas/member"
        "|GET /v2/schemas/members", other=None)
    add("GET /v2/images", other=None, pages=True)
    add("POST /v2/images", other=None, at=lambda whole: whole, empty=False, unknown=False,
        body=lambda w: {"name": fresh(), "disk_format": "qcow2", "container_format": "bare"},
        members="name=text disk_format=word container_format=word visibility=word min_disk=int(0,2147483647) "
                "min_ram=int(0,2147483647) protected=bool os_hidden=bool tags=texts id=uuid owner=label status=fixed "
                "size=fixed checksum=fixed locations=fixed jinyun_sha256=fixed a_property=property")
    add("GET /v2/images/{id}|DELETE /v2/images/{id}|GET /v2/images/{id}/file", here="id=image")
    add("PATCH /v2/images/{id}", here="id=image", at=lambda whole: whole[0], unknown=False,
        body=lambda w: [{"op": "replace", "path": "/name", "value": "i"}], members="op!=word path!=word value=text", names=("name",))
    add("PUT /v2/images/{id}/tags/{tag}", here="id=image tag=word", free="tag", idle=True)
    add("DELETE /v2/images/{id}/tags/{tag}", here="id=image tag=word", absent={204, 404})  # the tricks before were tags
    add("PUT /v2/images/{id}/file", here="id=queued", stream=True)


def volume_cases():
    add = lambda which, **settings: case("volume", which, **settings)
    base, mine = "/v3/{project_id}", "project_id=pay"
    hidden = {"hides": {400, 404}, "absent": {400, 404}}
    add("GET /|GET /v3", other=None)
    for path in ("types", "types/default", "os-availability-zone", "extensions", "limits"):
        add(f"GET {base}/{path}", here=mine, **hidden)
    add(f"GET {base}/volumes|GET {base}/volumes/detail", here=mine, pages=True, **hidden)
    add(f"GET {base}/types/{{id}}|GET {base}/types/{{id}}/extra_specs", here=f"{mine} id=type", other=None, **hidden)
    for path in ("", "/defaults"):
        add(f"GET {base}/os-quota-sets/{{target}}{path}", here=f"{mine} target=pay", hides={400, 403, 404},
            absent={400, 403, 404})
    add(f"POST {base}/volumes", here=mine, body=lambda w: {"volume": {"size": 1, "name": fresh()}}, **hidden,
        members="size!=int(1,1048576) name=text description=text volume_type=ref imageRef=ref metadata=strings "
                "availability_zone=word snapshot_id=gone backup_id=gone source_volid=ref consistencygroup_id=none "
                "group_id=none source_replica=none multiattach=none scheduler_hints=none")
    item = f"{mine} id=volume"
    add(f"GET {base}/volumes/{{id}}|DELETE {base}/volumes/{{id}}|GET {base}/volumes/{{id}}/metadata", here=item, **hidden)
    add(f"PUT {base}/volumes/{{id}}", here=item, body=lambda w: {"volume": {"description": "d"}}, **hidden,
        members="name=text description=text metadata=strings")
    add(f"POST {base}/volumes/{{id}}/metadata|PUT {base}/volumes/{{id}}/metadata", here=item, **hidden,
        body=lambda w: {"metadata": {"k": "v"}}, at=lambda whole: whole, members="metadata!=strings", unknown=False)
    add(f"GET {base}/volumes/{{id}}/metadata/{{key}}|DELETE {base}/volumes/{{id}}/metadata/{{key}}",
        here=f"{item} key=word", **hidden)
    add(f"PUT {base}/volumes/{{id}}/metadata/{{key}}", here=f"{item} key=word", free="key", **hidden, unknown=False,
        body=lambda w: {"meta": {"word": "v"}}, at=lambda whole: whole, members="meta!=strings")


def network_cases():
    add = lambda which, **settings: case("network", which, **settings)
    add("GET /|GET /v2.0|GET /v2.0/extensions", other=None)
    add("GET /v2.0/extensions/{alias}", here="alias=extension", other=None)
    for path in ("", "/default", "/details"):
        add(f"GET /v2.0/quotas/{{project}}{path}", here="project=pay", hides={403, 404}, absent={403, 404})
    kinds = {
        "networks": ("network", {}, "mtu=int(576,9000) port_security_enabled=bool dns_domain=domain shared=none "
                     "router:external=none is_default=none availability_zone_hints=none qos_policy_id=none "
                     "vlan_transparent=none provider:network_type=none provider:physical_network=none "
                     "provider:segmentation_id=none segments=none", ""),
        "subnets": ("subnet", {"network_id": "$empty", "cidr": "$range", "ip_version": 4},
                    "gateway_ip=ip enable_dhcp=bool allocation_pools=list dns_nameservers=ips host_routes=list "
                    "service_types=none segment_id=none", "network_id!=ref cidr!=cidr ip_version=int(4,4) "
                    "subnetpool_id=none prefixlen=none ipv6_address_mode=none ipv6_ra_mode=none"),
        "routers": ("router", {}, "external_gateway_info=object routes=none ha=none distributed=none "
                    "availability_zone_hints=none flavor_id=none", ""),
        "ports": ("port", {"network_id": "$network"}, "mac_address=mac fixed_ips=list device_id=label device_owner=label "
                  "security_groups=ids port_security_enabled=bool binding:vnic_type=word binding:host_id=none "
                  "binding:profile=none allowed_address_pairs=none extra_dhcp_opts=none qos_policy_id=none dns_name=none",
                  "network_id!=ref tags=none"),
        "security-groups": ("security_group", {}, "stateful=bool", ""),
        "security-group-rules": ("security_group_rule", {}, "", ""),
    }
    for many, (one, needed, members, once) in kinds.items():
        add(f"GET /v2.0/{many}", other=None, pages=True)
        add(f"GET /v2.0/{many}/{{id}}|DELETE /v2.0/{many}/{{id}}", here=f"id={one}")
        if many == "security-group-rules":
            continue
        usual = f"name=text description=text {'' if 'group' in many else 'admin_state_up=bool'} {members}"
        usual = usual.replace(" admin_state_up=bool", "") if many == "subnets" else usual
        add(f"POST /v2.0/{many}", other=None, members=f"{usual} project_id=ref {once}", empty=one in ("subnet", "port"),
            body=lambda w, one=one, needed=needed: {one: {k: w.filled(v) for k, v in needed.items()} | {"name": fresh()}})
        add(f"PUT /v2.0/{many}/{{id}}", here=f"id={one}", members=usual,
            body=lambda w, one=one: {one: {"description": "d"}})
    add("POST /v2.0/security-group-rules", other=None, body=lambda w: {"security_group_rule": {
        "security_group_id": w["security_group"], "direction": "ingress", "protocol": "tcp",
        "port_range_min": 1000 + (n := next(counter)), "port_range_max": 1000 + n}},
        members="security_group_id!=ref direction!=word ethertype=word protocol=word port_range_min=int(0,65535) "
                "port_range_max=int(0,65535) remote_ip_prefix=word remote_group_id=ref description=text "
                "remote_address_group_id=none project_id=ref")
    for verb in ("add", "remove"):
        add(f"PUT /v2.0/routers/{{id}}/{verb}_router_interface", here="id=router", at=lambda whole: whole, empty=False,
            body=lambda w: {"subnet_id": w["free_subnet"]}, members="subnet_id!=ref")


def compute_cases():
    add = lambda which, **settings: case("compute", which, **settings)
    add("GET /|GET /v2.1|GET /v2.1/limits|GET /v2.1/os-availability-zone|GET /v2.1/extensions", other=None)
    add("GET /v2.1/os-hypervisors|GET /v2.1/os-hypervisors/detail|GET /v2.1/os-availability-zone/detail"
        "|GET /v2.1/os-services", by="sysadmin", other=None)
    for path in ("", "/detail", "/defaults"):
        add(f"GET /v2.1/os-quota-sets/{{project}}{path}", here="project=pay", hides={403, 404}, absent={403, 404})
    add("GET /v2.1/flavors|GET /v2.1/flavors/detail", other=None, pages=True)
    add("GET /v2.1/flavors/{id}|GET /v2.1/flavors/{id}/os-extra_specs", here="id=flavor", other=None)
    add("DELETE /v2.1/flavors/{id}", by="sysadmin", here="id=flavor", other=None)
    add("POST /v2.1/flavors", by="sysadmin", other=None,
        body=lambda w: {"flavor": {"name": fresh(), "ram": 64, "vcpus": 1, "disk": 1}},
        members="name!=text ram!=int(1,4194304) vcpus!=int(1,256) disk!=int(1,65536) id=flavor swap=zero "
                "OS-FLV-EXT-DATA:ephemeral=zero os-flavor-access:is_public=bool rxtx_factor=number")
    add("GET /v2.1/os-keypairs", other=None)
    add("GET /v2.1/os-keypairs/{name}|DELETE /v2.1/os-keypairs/{name}", here="name=keypair")
    add("POST /v2.1/os-keypairs", other=None, body=lambda w: {"keypair": {"name": fresh(), "public_key": KEY}},
        members="name!=key_name public_key!=public_key type=word user_id=ref")
    add("GET /v2.1/servers|GET /v2.1/servers/detail", other=None, pages=True)
    add("POST /v2.1/servers", other=None, body=lambda w: {"server": {
        "name": fresh(), "imageRef": w["image"], "flavorRef": "1", "networks": "none"}},
        members="name!=text imageRef!=ref flavorRef!=ref key_name=label networks=list security_groups=list user_data=base64 "
                "metadata=strings availability_zone=word min_count=int(1,1) max_count=int(1,1) "
                "block_device_mapping_v2=list block_device_mapping=none personality=none config_drive=none "
                "accessIPv4=none adminPass=none OS-DCF:diskConfig=word")
    add("GET /v2.1/servers/{id}|DELETE /v2.1/servers/{id}|GET /v2.1/servers/{id}/os-interface"
        "|GET /v2.1/servers/{id}/os-volume_attachments", here="id=server")
    add("PUT /v2.1/servers/{id}", here="id=server", body=lambda w: {"server": {"name": "s"}},
        members="name=text accessIPv4=none accessIPv6=none")
    add("POST /v2.1/servers/{id}/action", here="id=server", body=lambda w: {"os-getConsoleOutput": {"length": 1}},
        members="length=int(-1,4294967295)")


# Wrong values -----------------------------------------------------------------------------------------------------

def password():
    made = "Jy1-" + secrets.token_urlsafe(18)
    SECRETS.append(made)
    return made


SECRETS = []
REFUSED, NOT_THERE, ODD = {400}, {400, 403, 404}, FINE | {400}
LONG_NAME, CONTROLS = "x" * 300, ["a\0b", "a\nb", "\x07", "a\x7f", "a\x85b"]
NO_TEXT = [7, True, [], {}, -1.5, 10 ** 30]
NO_LIST = [7, "x", True, {}, {"0": "x"}]
NO_OBJECT = [7, "x", True, [], [{}]]


def wrong(kind):
    """Values for a member of a kind: (value, the codes that may come)."""
    low, high = (int(n) for n in re.findall(r"-?\d+", kind)) if kind.startswith("int") else (0, 0)
    numbers = ["abc", "", " 5", "0x10", "1e3", 1.5, 0.1, True, [], {}, [5], low - 1, high + 1, -10 ** 30, 10 ** 30,
               "9" * 300, "٣", "NaN"]
    refused = {
        "text": NO_TEXT + CONTROLS + [LONG_NAME], "plain": NO_TEXT + CONTROLS + [LONG_NAME], "label": NO_TEXT + CONTROLS + [LONG_NAME], "free": NO_TEXT,
        "bool": ["maybe", 7, -1, 1.5, [], {}, "yes\0", [True]], "int": numbers, "zero": ["abc", 1.5, True, [], {}, 1, -1, 10 ** 30], "number": ["abc", [], {}, True, -1],
        "list": NO_LIST + [[7], ["x"], [[]], [None]], "texts": NO_LIST + [[7], [{}], [None], [["x"]], ["x" * 300], ["a\0"]],
        "ips": NO_LIST + [[7], [{}], [None], ["x"], ["10.0.0"], ["fe80::1"], ["1.2.3.4"] * 99],
        "ids": NO_LIST + [[7], [{}], [None]], "object": NO_OBJECT,
        "strings": NO_OBJECT + [{"k": 7}, {"k": {}}, {"k": []}, {"k": None}, {"": "v"}, {"k": "v" * 300},
                                {"k" * 300: "v"}, {str(n): "v" for n in range(999)}],
        "word": [7.5, True, [], {}, "sideways", LONG_NAME, "a\0b", "\u202e", "ｔｃｐ"],
        "domain": [7.5, True, [], {}, LONG_NAME, "a\0b", "-a", "a..b", "ｔｃｐ", "a b", "\u202e"],
        "ip": NO_TEXT + ["x", "999.1.1.1", "10.0.0", "::1", "10.0.0.1/24", "١٠.٠.٠.١", "0.0.0.0", "255.255.255.255"],
        "cidr": NO_TEXT + ["x", "10.0.0.0/33", "10.0.0.0/-1", "0.0.0.0/0", "300.0.0.0/8", "fd00::/64", "127.0.0.0/8",
                           "169.254.0.0/16", "224.0.0.0/4", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.0/8/8"],
        "mac": NO_TEXT + ["x", "fa:16:3e:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00",
                          "02:fe:ee:ee:ee:ee", "fa:16:3e:00:00:0g", "fa-16-3e-00-00-01"],
        "uuid": NO_TEXT + ["x", "..", "../../etc/passwd", UUID + "\0", LONG_NAME, UUID.replace("0", "０")],
        "ref": [True, [], {}, ["x"]], "gone": [True, {"a": 1}, ["x"], 7], "none": [{"a": 1}, ["a"], 7, "x"], "property": [[], {}, ["x"], {"a": "b"}],
        "key_name": NO_TEXT + ["", " ", "a/b", "..\0", "a\nb", "кey", LONG_NAME, "a:b", "<b>"],
        "public_key": NO_TEXT + ["", "x", "ssh-rsa AAAA", KEY + "\n" + KEY, "ssh-ed25519 " + "A" * 20000, KEY[:30]],
        "base64": NO_TEXT + ["%%%", "é", "AAA", base64.b64encode(b"\xff\xfe").decode(), "QUFB" * 20000],
        "flavor": [True, [], {}, "", "a/b", "..\0", "é", "f" * 300, -1.5],
        "secret": [], "fixed": [],
    }[kind.partition("(")[0]]
    values = [(value, REFUSED) for value in refused]
    if kind == "text":
        values += [(value, FINE) for value in ("Ρау" + fresh(), "\u202egnp" + fresh(), fresh().ljust(255, "x"),
                                               (fresh() + "😀" * 255)[:255], "a'; DROP TABLE users; --" + fresh())]
    if kind == "free":
        values += [("d\n" * 100, FINE), ("x" * 500_000, REFUSED)]  # what nobody can read is no description
    if kind in ("ref", "gone", "label", "ids"):
        for name in (UUID, LONG_NAME, "../../etc/passwd", "a\0b", ".."):
            values.append(([name] if kind == "ids" else name, ODD | NOT_THERE if kind == "label" else NOT_THERE))
    if kind in ("none", "bool"):
        values.append(("\u0000", REFUSED))
    if kind == "fixed":
        values += [("x", {403}), (7, {403}), ([], {403})]
    if kind == "secret":  # in the wrong place, but still the secret that somebody meant
        one, other = password(), password()
        values += [([one], REFUSED), ({"is": other}, REFUSED), (31_337_000_000 + secrets.randbelow(10 ** 9), REFUSED)]
        SECRETS.append(str(values[-1][0]))
    # A client's "no such thing" may be a wrong value or a missing thing; that of a right type is never taken.
    return values


# One request ------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, asked, status=0, headers=None, data=b"", lost=""):
        self.asked, self.status, self.headers, self.data, self.lost = asked, status, headers or {}, data, lost
        self.request = self.headers.get("x-openstack-request-id", "")

    @property
    def json(self):
        try:
            return json.loads(self.data)
        except ValueError:
            return None

    def message(self, service):
        """The words of a refusal, if it is in the service's own form; else a `Failed`."""
        def form(right):
            expect(right, f"{self.status} is not in the form of {service}")
        kind = self.headers.get("content-type", "")
        if service == "image" and "html" in kind:
            text, title = self.data.decode(), f"{self.status} {TITLES.get(self.status)}"
            body = re.fullmatch(r"<html>\s*<head>\s*<title>(.*)</title>\s*</head>\s*<body>\s*<h1>(.*)</h1>(.*)<br /><br />"
                                r"\s*</body>\s*</html>", text, re.S)
            form(body and body[1] == body[2] == title and not re.search("<(?!br /)", body[3]))
            return html.unescape(body[3].strip())
        whole = self.json
        form(kind.startswith("application/json") and isinstance(whole, dict) and len(whole) == 1)
        [(word, inside)] = whole.items()
        form(isinstance(inside, dict))
        if service == "identity" or self.status == 401:
            form(word == "error" and inside.get("code") == self.status and inside.get("title") == TITLES.get(self.status))
        elif service == "network":
            form(word == "NeutronError" and set(inside) == {"type", "message", "detail"} and inside["type"])
        else:
            form(service != "image" and word == NOVA.get(self.status) and inside.get("code") == self.status)
        form(isinstance(inside.get("message"), str))
        return inside["message"]

    def __str__(self):
        return self.lost or f"{self.status} {self.data[:300].decode(errors='replace')}"


class Wire:
    """Connections that are kept; one in each thread to each listener."""

    def __init__(self, instance):
        self.instance, self.local = instance, threading.local()
        self.refused = []  # (request id, what was asked) of what must be in the journal
        self.strangers = 0  # answers 401 to requests without a good token

    def connection(self, root):
        if root not in self.local.__dict__:
            self.local.__dict__[root] = self.open(root)
        return self.local.__dict__[root]

    def open(self, root, seconds=30):
        host, port = root.removeprefix("https://").split(":")
        return self.instance.tls.wrap_socket(socket.create_connection((host, int(port)), seconds), server_hostname=host)

    def ask(self, method, url, body=None, token=None, headers=None, alone=False):
        """`url` begins with the listener's. A body of bytes goes as it is. `alone`: on a connection of its own."""
        root = "/".join(url.split("/")[:3])
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token is not None else {})
        sent |= headers or {}
        if alone:
            self.forget(root)
        asked = f"{method} {url.removeprefix(root)[:200]}" + (f" {data[:150]!r}" if data is not None else "")
        sent |= {"Host": root.removeprefix("https://")} | ({} if data is None else {"Content-Length": str(len(data))})
        head = f"{method} {url.removeprefix(root)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in sent.items()) + "\r\n"
        try:
            connection = self.connection(root)
            connection.sendall(head.encode("latin-1") + (data or b""))
            got = http.client.HTTPResponse(connection, method=method)
            got.begin()
            answer = Answer(asked, got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        except (OSError, http.client.HTTPException) as e:
            self.forget(root)
            return Answer(asked, lost=f"no answer: {type(e).__name__}: {e}")
        if alone or got.will_close:
            self.forget(root)
        return answer

    def forget(self, root):
        """Closes this thread's connection."""
        if connection := self.local.__dict__.pop(root, None):
            connection.close()

    def raw(self, url, text):
        """Bytes as they are on a connection of their own; what comes back until the end or silence."""
        try:
            with self.open(url) as made:
                made.settimeout(3)
                made.sendall(text)
                got = b""
                while part := made.recv(65536):
                    got += part
                    if b"\r\n\r\n" in got:
                        break
                return got
        except socket.timeout:
            return b""
        except (OSError, ssl.SSLError) as e:
            return f"no answer: {type(e).__name__}: {e}".encode()


# The world --------------------------------------------------------------------------------------------------------

class World:
    """Two institutions with things in them, and whoever uses them."""

    def __init__(self, args):
        self.args, self.instance = args, Instance(args.instance, args.binary, args.port, args.management_port)
        self.wire, self.things, self.users, self.tokens = Wire(self.instance), {"word": "word", "flavor": "1"}, {}, {}

    def __getitem__(self, name):
        return self.things[name]

    def filled(self, value):
        if value == "$range":
            n = next(counter)
            return f"172.{16 + n // 256 % 16}.{n % 256}.0/24"
        return self.things[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def listener(self, who):
        return self.instance.management if who in STAFF else self.instance.tenants

    def do(self, who, method, path, body=None, headers=None, listener=None):
        return self.wire.ask(method, (listener or self.listener(who)) + path, body, self.tokens.get(who), headers)

    def must(self, who, method, path, body=None, headers=None):
        answer = self.do(who, method, path, body, headers)
        expect(answer.status in FINE, "the world cannot be made", answer.asked, str(answer))
        return answer.json

    def sign_in(self, who):
        answer = self.wire.ask("POST", f"{self.listener(who)}/identity/v3/auth/tokens", login(self.users[who]))
        expect(answer.status == 201, f"{who} cannot sign in", said=str(answer))
        self.tokens[who] = answer.headers["x-subject-token"]
        SECRETS.append(self.tokens[who])
        return answer.json["token"]

    def takes_over(self, who, ident, initial):
        """Changes an initial password and signs in."""
        answer = self.wire.ask("POST", f"{self.listener(who)}/identity/v3/users/{ident}/password",
                               {"user": {"password": self.users[who]["password"], "original_password": initial}})
        expect(answer.status == 204, f"{who}'s password cannot be changed", said=str(answer))
        self.sign_in(who)

    def people(self):
        at = self.instance
        for name in STAFF:
            self.users[name] = {"name": name, "domain": "default", "password": password(), "scope": {"system": {"all": True}}}
            with open(f"{at.state}/initial/{name}", encoding="utf-8") as file:
                SECRETS.append(initial := file.read().strip())
            said = self.wire.ask("POST", f"{at.management}/identity/v3/auth/tokens",
                                 login(self.users[name] | {"password": initial})).json
            self[name] = said["error"]["message"].rstrip(".").split()[-1]
            self.takes_over(name, self[name], initial)
        for domain, project, boss, people in (("bank", "pay", "boss", {"ann": "member", "rita": "reader", "eve": "reader"}),
                                              ("fund", "trade", "boss2", {"bob": "member"})):
            ident = self[domain] = self.must("secadmin", "POST", "/identity/v3/domains",
                                             {"domain": {"name": domain}})["domain"]["id"]
            self.person("secadmin", boss, ident, {"domain": {"id": ident}}, "manager")
            self[project] = self.must(boss, "POST", "/identity/v3/projects", {"project": {"name": project}})["project"]["id"]
            for name, role in people.items():
                self.person(boss, name, ident, {"project": {"id": self[project]}}, role)
        self["small"] = self.must("boss", "POST", "/identity/v3/projects", {"project": {"name": "small"}})["project"]["id"]
        self.give("boss", "projects", self["small"], self["ann"], "member")
        self.users["ann-small"] = self.users["ann"] | {"scope": {"project": {"id": self["small"]}}}
        self.sign_in("ann-small")
        self.users["ann-unscoped"] = self.users["ann"] | {"scope": "unscoped"}
        self.sign_in("ann-unscoped")

    def __setitem__(self, name, value):
        self.things[name] = value

    def person(self, by, who, domain, scope, role):
        initial = password()
        self.users[who] = {"name": who, "domain": domain, "password": password(), "scope": scope}
        made = self.must(by, "POST", "/identity/v3/users", {"user": {"name": who, "domain_id": domain, "password": initial}})
        self[who] = made["user"]["id"]
        [(place, ident)] = [(f"{k}s", v["id"]) for k, v in scope.items()]
        self.give(by, place, ident, self[who], role)
        self.takes_over(who, self[who], initial)

    def give(self, by, place, ident, user, role):
        self.must(by, "PUT", f"/identity/v3/{place}/{ident}/users/{user}/roles/{ROLES[role]}")

    def make(self, thing, path, one, who="ann", /, **members):
        body = {one: members} if one else members
        made = self.must(who, "POST", path, body)
        self[thing] = (made[one] if one else made)["id"]
        return self[thing]

    def resources(self):
        self.things |= {name: ROLES[name] for name in ("reader", "system_admin")} | {"extension": "router", "keypair": "mine"}
        self["service"] = self.must("ann", "GET", "/identity/v3/services")["services"][0]["id"]
        self["type"] = self.must("ann", "GET", f"/volume/v3/{self['pay']}/types/default")["volume_type"]["id"]
        for item in (i["id"] for i in self.must("ann", "GET", "/identity/v3/registered_limits")["registered_limits"]):
            made = self.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": self["pay"], "resource_name": item, "resource_limit": 100_000}]})
            self["limit"] = made["limits"][0]["id"]
        self.make("spare_domain", "/identity/v3/domains", "domain", "secadmin", name="spare")
        self.make("spare_project", "/identity/v3/projects", "project", "boss", name="spare")
        self.make("spare_user", "/identity/v3/users", "user", "boss", name="spare", domain_id=self["bank"])
        self["image"] = self.image("ann", "image")
        self.must("ann", "PUT", f"/image/v2/images/{self['image']}/tags/word")
        self.make("queued", "/image/v2/images", None, name="queued", disk_format="qcow2", container_format="bare")
        for name in ("network", "empty", "other_network"):
            self.make(name, "/network/v2.0/networks", "network", name=name)
        for name, net, cidr in (("subnet", "network", "10.0.0.0/24"), ("free_subnet", "network", "10.0.1.0/24"),
                                ("joined", "other_network", "10.0.2.0/24")):
            self.make(name, "/network/v2.0/subnets", "subnet", name=name, network_id=self[net], cidr=cidr, ip_version=4)
        self.make("router", "/network/v2.0/routers", "router", name="router")
        self.must("ann", "PUT", f"/network/v2.0/routers/{self['router']}/add_router_interface", {"subnet_id": self["joined"]})
        self.make("security_group", "/network/v2.0/security-groups", "security_group", name="group")
        self.make("security_group_rule", "/network/v2.0/security-group-rules", "security_group_rule",
                  security_group_id=self["security_group"], direction="ingress", protocol="udp", port_range_min=53,
                  port_range_max=53)
        self.make("port", "/network/v2.0/ports", "port", name="port", network_id=self["network"],
                  security_groups=[self["security_group"]], fixed_ips=[{"ip_address": "10.0.0.77"}])
        self.make("lent", "/network/v2.0/ports", "port", name="lent", network_id=self["network"])
        self.must("ann", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}})
        for name in ("volume", "attached"):
            self.make(name, f"/volume/v3/{self['pay']}/volumes", "volume", name=name, size=1)
            self.volume(name, "available")
        self.must("ann", "POST", f"/volume/v3/{self['pay']}/volumes/{self['volume']}/metadata", {"metadata": {"word": "v"}})
        devices = [{"uuid": self["attached"], "source_type": "volume", "destination_type": "volume", "boot_index": -1}]
        SECRETS.append(script := "user-data-" + secrets.token_hex(12))
        common = {"imageRef": self["image"], "flavorRef": "1", "user_data": base64.b64encode(script.encode()).decode()}
        self.make("server", "/compute/v2.1/servers", "server", name="server", networks=[{"uuid": self["network"]}],
                  block_device_mapping_v2=devices, **common)
        self.make("off", "/compute/v2.1/servers", "server", name="off", networks="none", **common)
        self.server("server", "ACTIVE")
        self.server("off", "ACTIVE")
        self.must("ann", "POST", f"/compute/v2.1/servers/{self['off']}/action", {"os-stop": None})
        self.server("off", "SHUTOFF")

    def image(self, who, name):
        ident = self.must(who, "POST", "/image/v2/images", {"name": name, "disk_format": "qcow2",
                                                           "container_format": "bare"})["id"]
        with open(stand_in_image(self.args), "rb") as file:
            self.must(who, "PUT", f"/image/v2/images/{ident}/file", file.read(), {"Content-Type": "application/octet-stream"})
        return ident

    def becomes(self, path, one, want):
        def look():
            found = self.must("ann", "GET", path)[one]["status"]
            expect(found not in ("ERROR", "error"), f"{path} went to {found}")
            return found == want
        until(f"{path} becomes {want}", 30, look, 0.05)

    def server(self, name, want):
        self.becomes(f"/compute/v2.1/servers/{self[name]}", "server", want)

    def volume(self, name, want):
        self.becomes(f"/volume/v3/{self['pay']}/volumes/{self[name]}", "volume", want)


def login(user):
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": user["name"], "domain": {"id": user["domain"]}, "password": user["password"]}}}, "scope": user["scope"]}}


# Judging ----------------------------------------------------------------------------------------------------------

class Sweep:
    def __init__(self, args):
        self.args, self.passed, self.failed = args, 0, 0
        self.world, self.lock, self.kept = None, threading.Lock(), collections.Counter()
        self.operations = operations()

    def check(self, what, right, said="", kind=""):
        """`kind`: failures of a kind are shown a few times only."""
        with self.lock:
            self.passed, self.failed = self.passed + bool(right), self.failed + (not right)
            if not right:
                self.kept[kind or what] += 1
                if self.kept[kind or what] <= self.args.show:
                    short = lambda text, most: re.sub(r"(.)\1{30,}", r"\1\1\1(...)", text)[:most]
                    print(f"FAILED: {short(what, 300)}\n    {short(said, 1200)}", flush=True)
        return right

    def judge(self, what, service, answer, want, says=(), recorded=True, kind=""):
        """One request's answer: its code, its form, its words, its record. `says`: one of these is in the words."""
        found = self.faults(service, answer, want, says)
        if 400 <= answer.status < 500 and recorded and answer.request:
            self.world.wire.refused.append((answer.request, answer.asked))
        return self.check(f"{service}: {what}: {'; '.join(found)}", not found, f"{answer.asked}\n    -> {answer}",
                          kind or f"{service} {what.split(':')[0]} {found[:1]}")

    def faults(self, service, answer, want, says):
        if answer.lost:
            return ["the connection broke"]
        found = []
        if answer.status not in want:
            found.append(f"{answer.status}, not {' or '.join(map(str, sorted(want)))}")
        if answer.status >= 500 and answer.status != 501:
            return found
        if not re.fullmatch(r"req-[0-9a-f-]{36}", answer.request):
            found.append("no x-openstack-request-id")
        if answer.status < 400 or answer.asked.startswith("HEAD"):
            return found
        try:
            words = answer.message(service)
            if not words.strip():
                found.append("no words")
            if len(words) > LONG:
                found.append(f"the words are {len(words)} characters long")
            if says and answer.status in want and not any(word in words for word in says):
                found.append(f"the words do not name {' or '.join(says)}")
            if any(secret in words for secret in SECRETS):
                found.append("the words hold a secret")
            if re.search(r"/var/lib|panicked|\.rs:\d|SQL|sqlite|postgres|Permit|Some\(|Err\(", words):
                found.append("the words tell of the inside")
        except Failed as e:
            found.append(e.what)
        return found

    def all(self, probes):
        """Runs probes, functions without parameters, side by side."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for future in [pool.submit(probe) for probe in probes]:
                try:
                    future.result()
                except Exception as e:  # a broken probe is a failure, not an end
                    self.check(f"a probe ended with {type(e).__name__}: {e}", False, kind="probe")

    # Paths -------------------------------------------------------------------------------------------------------

    def path(self, service, path, case, **other):
        """The path of an operation with ann's things in it, or with others (quoted already) in their place."""
        here = {name: urllib.parse.quote(self.world[thing], safe="") for name, thing in case.here.items()} | other
        return SERVICES[service] + re.sub(r"\{(\w+)\}", lambda found: here[found[1]], path)

    def body(self, case):
        return None if case.body is None else case.body(self.world)

    def unknown(self, service, param):
        return HEX if service == "identity" else UUID

    # The sweep ---------------------------------------------------------------------------------------------------

    def document(self):
        """every operation of the document has a case, and every case is an operation"""
        for add in (identity_cases, image_cases, volume_cases, network_cases, compute_cases):
            add()
        listed = [(service, method, path) for service, method, path, _ in self.operations]
        self.check("the document has operations of each service", len(listed) > 150
                   and {service for service, _, _ in listed} == set(SERVICES), str(len(listed)))
        for key in sorted(set(listed) | set(CASES)):
            self.check(f"{' '.join(key)}: {'no such operation' if key in CASES else 'no case'}",
                       key in CASES and key in listed)
        return [entry for entry in self.operations if entry[:3] in CASES]

    def strangers(self, service, method, path, who, case):
        """Whoever has no token, or none that is good; staff at the tenants' listener."""
        w, url = self.world, self.path(service, path, case)
        if who == "anybody":
            return
        bad = [None, "garbage", "", w.tokens["ann"][:-4] + "AAAA"] if method != "HEAD" else [None]
        for token in bad:
            answer = w.wire.ask(method, w.listener(case.by) + url, self.body(case), token)
            w.wire.strangers += 1
            self.judge(f"without a good token: {method} {path}", service, answer, {401}, recorded=False)
        answer = w.do("sysadmin", method, url, self.body(case), listener=w.instance.tenants)
        self.judge(f"staff at the tenants' listener: {method} {path}", service, answer, {403})

    def foreigners(self, service, method, path, who, case):
        """Another tenant's user gets the same answer for ann's thing as for none."""
        w = self.world
        params = [name for name in case.here if name not in case.free + ["role", "key", "tag"]]
        if not case.other or not params:
            return
        body = self.body(case)
        for who_else in {case.other, "bob", "boss2"} if service == "identity" else {case.other}:
            own = {"project_id": w["trade"]} if "project_id" in params and len(params) > 1 else {}
            asked = [name for name in params if name not in own]
            real = w.do(who_else, method, self.path(service, path, case, **own), body)
            none = w.do(who_else, method, self.path(service, path, case, **own | {
                name: self.unknown(service, name) for name in asked}), body)
            want = case.hides if who_else == case.other else case.hides | {403}
            self.judge(f"a foreign thing: {method} {path} by {who_else}", service, real, want)
            self.judge(f"a foreign thing that is not there: {method} {path} by {who_else}", service, none, want)

            def plain(answer):
                text = answer.data.decode()
                for name in asked:
                    text = text.replace(w[case.here[name]], "ID").replace(self.unknown(service, name), "ID")
                return answer.status, text
            self.check(f"{service}: {method} {path} tells {who_else} that there is one", plain(real) == plain(none),
                       f"{plain(real)}\n    {plain(none)}", f"{service} tells")

    def duties(self, service, method, path, who, case):
        """Staff reach nothing of a tenant's; a reader changes nothing; nobody does anything without a scope."""
        w, url = self.world, self.path(service, path, case)
        if who in ("anybody", "any token", "any user") or "owner" in who:
            return
        if not re.search("system|audit|security|any project", who) and (case.here or method != "GET"):
            for name in STAFF:
                self.judge(f"{name} at a tenant's thing: {method} {path}", service,
                           w.do(name, method, url, self.body(case)), {400, 403, 404})
        if method != "GET" and service != "identity":
            reader = {403} if who.startswith("member") or who == "system admin" else {403, 404}
            self.judge(f"a reader changes something: {method} {path}", service,
                       w.do("rita", method, url, self.body(case)), reader)
            self.judge(f"without a scope: {method} {path}", service,
                       w.do("ann-unscoped", method, url, self.body(case)), {400, 401, 403, 404})
        if who.endswith("admin") and " " in who and "," not in who:
            for name in ("ann", "boss", "bob", *(set(STAFF) - {case.by})):
                self.judge(f"{name} does staff's work: {method} {path}", service,
                           w.do(name, method, url, self.body(case)), {403, 404})

    def ids(self, service, method, path, who, case):
        """Ids that nobody has, and such as lead elsewhere."""
        w = self.world
        for param in [name for name in case.here if name not in case.free]:
            own = {"user": "sysadmin"}.get(param) if "system" in path else None
            if not (method in ("PUT", "DELETE") and param == "role" and own):
                answer = w.do(case.by, method, self.path(service, path, case, **{param: self.unknown(service, param)}),
                              self.body(case))
                self.judge(f"an unknown {param}: {method} {path}", service, answer, case.absent)
            for trick in TRICKS:
                answer = w.do(case.by, method, self.path(service, path, case, **{param: trick}), self.body(case))
                self.judge(f"a trick as {param}: {method} {path}", service, answer, case.absent | {400, 404})
        for param in case.free:
            for trick in TRICKS:
                answer = w.do(case.by, method, self.path(service, path, case, **{param: trick}), self.body(case))
                self.judge(f"a trick as {param}: {method} {path}", service, answer, FINE | {400, 404})

    def bodies(self, service, method, path, who, case):
        """What is no JSON, no object, nothing at all, or far too much."""
        if method not in ("POST", "PUT", "PATCH") or case.stream:
            return
        w, url = self.world, self.path(service, path, case)
        for text in MALFORMED:
            self.judge(f"malformed JSON: {method} {path}", service, w.do(case.by, method, url, text), {400},
                       says=("JSON", "json"))
        huge = b'{"' + b"x" * LARGE + b'": 1}'
        answer = w.wire.ask(method, w.listener(case.by) + url, huge, w.tokens[case.by], alone=True)
        self.judge(f"a body of 2 MiB: {method} {path}", service, answer, {413}, says=("larger", "large"))
        if case.idle:
            return
        good = self.body(case)
        if case.empty:
            hollow = [[{}]] if isinstance(good, list) else [{}, {next(iter(good)): None}, {next(iter(good)): []},
                                                           {next(iter(good)): "x"}, {"wrong": {}}]
            hollow += [None, [], "x", 1, True] if not isinstance(good, list) else [None, {}, "x", 1, [7], [[]]]
            if (service, path) == ("compute", "/v2.1/servers/{id}/action"):
                hollow = [{}, None, [], "x", 1, {"os-start": None, "os-stop": None}]
        else:
            hollow = [None, [], "x", 1, True]
        for thing in hollow:
            self.judge(f"a hollow body: {method} {path}", service, w.do(case.by, method, url, json.dumps(thing).encode()),
                       {400})
        self.judge(f"no body: {method} {path}", service, w.do(case.by, method, url), {400})
        for kind in ("text/plain", "application/xml", "image/png", "", "application/json; charset=utf-16", "x" * 3000):
            self.judge(f"content type {kind[:40]}: {method} {path}", service,
                       w.do(case.by, method, url, b"<a>no JSON</a>", {"Content-Type": kind}), {400, 415})

    def members(self, service, method, path, who, case):
        """Each member with each wrong value; unknown members; many of them."""
        w, url = self.world, self.path(service, path, case)
        if not case.body or method == "DELETE":
            return

        def send(label, name, value, want, says, absent=False):
            whole = copy.deepcopy(self.body(case))
            inside = case.at(whole)
            inside[name] = value
            if absent:
                del inside[name]
            answer = w.do(case.by, method, url, whole)
            shown = repr(value)[:60]
            self.judge(f"{label}: {method} {path}: {name} = {shown}", service, answer, want, says,
                       kind=f"{service} {method} {path} {name} {answer.status}")
        names = []
        for entry in case.members.split():
            name, kind = entry.split("=")
            names.append(needed := name.rstrip("!"))
            for value, want in wrong(kind):
                # A missing thing is named by its id, a member by its name.
                says = (needed, *case.names, *([str(value)[:40]] if isinstance(value, str) and kind in ("ref", "gone", "ids", "label") else []))
                says += ("volume_type", "snapshot", "backup") if kind in ("ref", "gone") else ()
                says += ("identity:", "network:", "not permitted", "could not be found") if want & {403, 404} else ()
                send(f"wrong {kind.partition('(')[0]}", needed, value, want, says)
            if name.endswith("!"):
                send("nothing where something is needed", needed, None, {400}, (needed,))
                send("a member is missing", needed, None, {400}, (needed,), absent=True)
        if case.unknown and (service, path) != ("compute", "/v2.1/servers/{id}/action"):
            send("an unknown member", "nonsense", 1, {400}, ("nonsense",))
            send("an unknown member", "__proto__", {"a": 1}, {400}, ("__proto__",))
            if path.split("/")[-1] in ("domains", "volumes", "networks", "servers"):
                send("an unknown member", "n" * 100_000, 1, {400}, ("n" * 20,))

    def queries(self, service, method, path, who, case):
        """Strange query strings."""
        if method != "GET":
            return
        w, url = self.world, self.path(service, path, case)
        want = case.absent | FINE | {400, 403, 404}
        for query in QUERIES:
            sure = case.pages and query in ("limit=-1", "limit=abc", f"marker={UUID}")
            self.judge(f"query {query[:40]}: {path}", service, w.do(case.by, method, f"{url}?{query}"),
                       {400, 404} if sure else want, says=(query.split("=")[0],) if sure else ())
        answer = w.do(case.by, method, url, b"{")
        self.judge(f"a body with GET: {path}", service, answer, FINE | {400, 404})

    def methods(self):
        """A method that a path does not have is 405, whatever it is."""
        w, paths = self.world, collections.defaultdict(set)
        for service, method, path, _ in self.operations:
            paths[service, path].add(method)

        def fits(pattern, path):
            parts = pattern.split("/"), path.split("/")
            return len(parts[0]) == len(parts[1]) and all(a.startswith("{") or a == b for a, b in zip(*parts))
        probes = []
        for (service, path), _ in paths.items():
            case = next(CASES[key] for key in CASES if key[0] == service and key[2] == path)
            url = self.path(service, path, case)
            offered = {m for (s, p), ms in paths.items() if s == service
                       and fits(p, url.removeprefix(SERVICES[service]) or "/") for m in ms}
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"} - offered:
                probes.append(lambda service=service, method=method, path=path, case=case, url=url: self.judge(
                    f"no such method: {method} {path}", service, w.do(case.by, method, url), {405}, recorded=False))
            for more in ("/nonsense/at/all", "/%2e%2e/%2e%2e/x/y", "/../x/y/z"):
                probes.append(lambda service=service, path=path, case=case, url=url, more=more: self.judge(
                    f"no such path: {path}{more}", service, w.do(case.by, "GET", url.rstrip("/") + more), {404},
                    recorded=False))
        self.all(probes)

    def sweep(self):
        """every operation: strangers, foreigners, duties, ids, bodies, members, queries"""
        known = self.document()
        probes = []
        for service, method, path, who in known:
            for look in (self.strangers, self.foreigners, self.duties, self.ids, self.bodies, self.members, self.queries):
                if (service, method, path) == ("identity", "DELETE", "/v3/auth/tokens"):
                    continue  # would end the token that everybody uses: `signing` has it
                probes.append(lambda look=look, entry=(service, method, path, who): look(*entry, CASES[entry[:3]]))
        self.all(probes)
        self.methods()

    # Stories -----------------------------------------------------------------------------------------------------

    def refuse(self, who, method, path, body, want, *says, headers=None):
        service = path.split("/")[1]
        answer = self.world.do(who, method, path, body, headers)
        self.judge(f"{method} {path[:80]}: {str(body)[:200]}", service, answer, {want} if isinstance(want, int) else want,
                   says, kind=f"{method} {path} {body}"[:120])
        return answer

    def signing(self):
        """signing in: wrong in every way, and never a word too much"""
        w = self.world
        url, ann = "/identity/v3/auth/tokens", w.users["ann"]

        def attempt(change, want, *says, who="ann-less"):
            whole = login(ann)
            change(whole["auth"])
            return self.refuse(who, "POST", url, whole, want, *says)
        same = []
        for change in (lambda a: user(a).update(password=password()), lambda a: user(a).update(name="nobody-there"),
                       lambda a: user(a).update(domain={"id": HEX}), lambda a: user(a).update(name="ann'--"),
                       lambda a: a.update(scope={"project": {"id": w["trade"]}}), lambda a: a.update(scope={"project": {"id": HEX}}),
                       lambda a: a.update(scope={"domain": {"id": w["bank"]}}), lambda a: a.update(scope={"system": {"all": True}})):
            answer = attempt(change, 401)
            same.append((answer.status, answer.data))
        self.check("identity: refused sign-ins differ in their words", len(set(same)) == 1, str(set(same)))
        for change, says in (
                (lambda a: a["identity"].pop("methods"), "methods"), (lambda a: a["identity"].update(methods=[]), "methods"),
                (lambda a: a["identity"].update(methods="password"), "methods"),
                (lambda a: a["identity"].update(methods=[7]), "methods"),
                (lambda a: a["identity"].update(methods=["totp"]), "methods"),
                (lambda a: a["identity"].update(methods=["password", "totp"]), "methods"),  # asks for more than it gets
                (lambda a: a["identity"].update(methods=["x" * 500_000]), "methods"),
                (lambda a: a["identity"].update(methods=["token"]), "token"),
                (lambda a: a["identity"].update(password="x"), "password"), (lambda a: user(a).pop("password"), "password"),
                (lambda a: user(a).update(password=[password()]), "password"),
                (lambda a: user(a).update(password={"is": password()}), "password"),
                (lambda a: user(a).update(name=["ann"]), "name"), (lambda a: user(a).update(name="a\0b"), "name"),
                (lambda a: user(a).update(name=LONG_NAME), "name"), (lambda a: user(a).pop("domain"), "domain"),
                (lambda a: user(a).update(domain="bank"), "domain"), (lambda a: user(a).update(domain={}), "name"),
                (lambda a: a.update(scope=7), "scope"), (lambda a: a.update(scope={}), "scope"),
                (lambda a: a.update(scope="everything"), "scope"), (lambda a: a.update(scope={"project": "x"}), "project"),
                (lambda a: a.update(scope={"project": {"name": "pay"}}), "domain"),
                (lambda a: a.update(scope={"system": {"all": False}}), "system"),
                (lambda a: a.update(scope={"system": "x"}), "system"),
                (lambda a: a.update(nonsense=1), "nonsense"), (lambda a: user(a).update(nonsense=1), "nonsense")):
            attempt(change, 400, says)
        inner = {"auth": {"identity": {"methods": ["token"], "token": {"id": [w.tokens["ann"]]}}}}
        self.refuse("ann-less", "POST", url, inner, 400, "id")
        inner["auth"]["identity"]["token"]["id"] = w.tokens["ann"] + "x"
        self.refuse("ann-less", "POST", url, inner, 401)
        subject = lambda text: {"X-Subject-Token": text}
        self.refuse("ann", "GET", url, None, 400, "X-Subject-Token")
        for text in ("garbage", w.tokens["bob"], w.tokens["boss"], "x" * 9000):
            for method in ("GET", "HEAD", "DELETE"):
                self.refuse("ann", method, url, None, 404, headers=subject(text))
        w.users["spent"] = ann
        w.sign_in("spent")
        w.must("spent", "DELETE", url, headers=subject(w.tokens["spent"]))
        self.refuse("spent", "GET", "/network/v2.0/networks", None, 401)
        w.wire.strangers += 1
        w.wire.refused.pop()
        # Passwords: too weak, the old one again, not one's own.
        path, old = f"/identity/v3/users/{w['eve']}/password", w.users["eve"]["password"]
        for new in ("short", "alllowercaseletters", "x" * 999, old):
            self.refuse("eve", "POST", path, {"user": {"password": new, "original_password": old}}, 400, "password")
        self.refuse("bob", "POST", path, {"user": {"password": password(), "original_password": password()}}, 401)
        self.refuse("eve", "POST", path, {"user": {"password": password(), "original_password": old, "more": 1}}, 400, "more")

    def taken(self):
        """names, ids and addresses that somebody has"""
        w, pay = self.world, self.world["pay"]
        for name in ("bank", "BANK"):
            self.refuse("secadmin", "POST", "/identity/v3/domains", {"domain": {"name": name}}, 409, "bank", "BANK")
        self.refuse("secadmin", "PATCH", f"/identity/v3/domains/{w['spare_domain']}", {"domain": {"name": "fund"}}, 409, "fund")
        self.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": "pay"}}, 409, "pay")
        self.refuse("boss", "POST", "/identity/v3/users", {"user": {"name": "Ann", "domain_id": w["bank"]}}, 409, "Ann")
        self.refuse("sysadmin", "POST", "/compute/v2.1/flavors", {"flavor": {"name": "m1.tiny", "ram": 1, "vcpus": 1, "disk": 1}},
                    409, "m1.tiny")
        self.refuse("sysadmin", "POST", "/compute/v2.1/flavors",
                    {"flavor": {"name": fresh(), "id": "1", "ram": 1, "vcpus": 1, "disk": 1}}, 409, "1")
        self.refuse("ann", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}}, 409, "mine")
        self.refuse("ann", "POST", "/image/v2/images", {"id": w["image"]}, 409, w["image"])
        self.refuse("sysadmin", "POST", "/identity/v3/limits",
                    {"limits": [{"project_id": pay, "resource_name": "volumes", "resource_limit": 1}]}, 409, "volumes")
        rule = {"security_group_id": w["security_group"], "direction": "ingress", "protocol": "17", "port_range_min": 53,
                "port_range_max": 53}
        self.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule}, 409, w["security_group"])
        self.refuse("ann", "POST", "/network/v2.0/security-groups", {"security_group": {"name": "default"}}, 409, "efault")
        self.refuse("ann", "POST", "/network/v2.0/subnets",
                    {"subnet": {"network_id": w["network"], "cidr": "10.0.0.128/25", "ip_version": 4}}, 400, "overlaps")
        port = {"network_id": w["network"]}
        taken = w.must("ann", "GET", f"/network/v2.0/ports/{w['port']}")["port"]
        for ip in ("10.0.0.77", "10.0.0.1"):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 409, ip)
        for ip in ("10.9.9.9", "10.0.0.0", "10.0.0.255", "255.255.255.255"):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 400,
                        ip, "fixed_ips")
        self.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"mac_address": taken["mac_address"].upper()}}, 409,
                    taken["mac_address"])
        self.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/add_router_interface", {"subnet_id": w["joined"]}, 400,
                    w["joined"])
        self.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/remove_router_interface",
                    {"subnet_id": w["subnet"]}, 404, w["subnet"])

    def in_use(self):
        """what is in use stays, and what is in another state does not do it"""
        w, net = self.world, "/network/v2.0"
        used = ((f"{net}/networks/{w['network']}", 409), (f"{net}/subnets/{w['subnet']}", 409),
                (f"{net}/subnets/{w['joined']}", 409), (f"{net}/routers/{w['router']}", 409),
                (f"{net}/security-groups/{w['security_group']}", 409), (f"/volume/v3/{w['pay']}/volumes/{w['attached']}", 400))
        for path, want in used:
            self.refuse("ann", "DELETE", path, None, want, path.split("/")[-1])
        groups = w.must("ann", "GET", f"{net}/security-groups?name=default")["security_groups"]
        self.refuse("ann", "DELETE", f"{net}/security-groups/{groups[0]['id']}", None, 409, "default")
        self.refuse("ann", "PUT", f"{net}/security-groups/{groups[0]['id']}", {"security_group": {"name": "x"}}, 409, "default")
        [own] = w.must("ann", "GET", f"{net}/ports?device_id={w['server']}")["ports"]
        self.refuse("ann", "DELETE", f"{net}/ports/{own['id']}", None, 409, w["server"])
        self.refuse("ann", "PUT", f"{net}/ports/{own['id']}", {"port": {"mac_address": "fa:16:3e:00:00:99"}}, 409, own["id"])
        self.refuse("ann", "PUT", f"{net}/ports/{w['port']}", {"port": {"device_owner": "network:dhcp"}}, {400, 403}, "device_owner")
        for guard, want in (("revision_number=999", 412), ("revision_number=abc", 400), ("*", 400), ("", 400)):
            self.refuse("ann", "PUT", f"{net}/networks/{w['network']}", {"network": {"name": "n"}}, want, headers={"If-Match": guard})
        self.refuse("boss", "DELETE", f"/identity/v3/projects/{w['pay']}", None, 409, w["pay"])
        self.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['bank']}", None, 403, "disable")
        w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": False}})
        self.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['fund']}", None, 409, w["fund"])
        self.refuse("bob", "GET", "/network/v2.0/networks", None, 401)
        w.wire.strangers += 1
        w.wire.refused.pop()
        w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": True}})
        self.refuse("secadmin", "DELETE", "/identity/v3/domains/default", None, {403, 409}, "default", "provider")
        for user, role, want in ((w["sysadmin"], "system_admin", 409), (w["sysadmin"], "audit_admin", 409),
                                 (w["ann"], "audit_admin", 400), (w["sysadmin"], "member", 400)):
            self.refuse("secadmin", "DELETE" if want == 409 and role == "system_admin" else "PUT",
                        f"/identity/v3/system/users/{user}/roles/{ROLES[role]}", None, want)
        self.refuse("secadmin", "PUT", f"/identity/v3/domains/default/users/{w['auditor']}/roles/{ROLES['manager']}", None, {400, 403})
        self.refuse("secadmin", "PUT", f"/identity/v3/domains/{w['bank']}/users/{w['ann']}/roles/{ROLES['manager']}", None, 403)
        self.refuse("secadmin", "POST", "/identity/v3/users", {"user": {"name": fresh(), "domain_id": w["bank"]}}, 403)
        self.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": fresh(), "domain_id": w["fund"]}}, {403, 404})
        self.refuse("boss", "PUT", f"/identity/v3/projects/{w['pay']}/users/{w['bob']}/roles/{ROLES['member']}", None, 404, w["bob"])
        same = [self.refuse(who, "POST", "/identity/v3/limits", {"limits": [
            {"project_id": project, "resource_name": "volumes", "resource_limit": 1}]}, {403, 404})
            for who, project in (("bob", w["pay"]), ("bob", HEX))]
        self.check("identity: POST /v3/limits tells anybody which projects there are",
                   len({(a.status, a.data.replace(w["pay"].encode(), b"ID").replace(HEX.encode(), b"ID")) for a in same}) == 1,
                   "\n    ".join(map(str, same)))
        image = f"/image/v2/images/{w['image']}"
        octets = {"Content-Type": "application/octet-stream"}
        self.refuse("ann", "PUT", image + "/file", b"more", 409, "active", headers=octets)
        self.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/disk_format", "value": "raw"}], 403, "disk_format")
        w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": True}])
        self.refuse("ann", "DELETE", image, None, 403, "protected")
        w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": False}])
        for step in ({"op": "replace", "path": "/status", "value": "x"}, {"op": "remove", "path": "/name"},
                     {"op": "add", "path": "/visibility", "value": "public"}, {"op": "replace", "path": "/owner", "value": w["trade"]}):
            self.refuse("ann", "PATCH", image, [step], 403)
        for step in ({"op": "replace", "path": "/nothing", "value": "x"}, {"op": "remove", "path": "/nothing"}):
            self.refuse("ann", "PATCH", image, [step], 409, "nothing")
        for step in ({"op": "test", "path": "/name"}, {"op": "replace", "path": "name", "value": "x"}, {"op": "add", "path": "/a/b"},
                     {"op": "replace", "path": "/name"}, {"op": "add", "path": "/p", "value": {}}, {"op": "add", "path": "/" + "p" * 300,
                      "value": "x"}, {"op": "add", "path": "/\0", "value": "x"}):
            self.refuse("ann", "PATCH", image, [step], 400)
        self.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/" + "n" * 500_000, "value": "x"}], {400, 409})
        queued = f"/image/v2/images/{w['queued']}/file"
        for data in (b"", b"no qcow2 at all", b"QFI\xfb" + b"\xff" * 600, b"\0" * LARGE, backing_file(w.args)):
            self.refuse("ann", "PUT", queued, data, 400, "data", "qcow2", "backing", headers=octets)
        server = f"/compute/v2.1/servers/{w['server']}"
        self.refuse("ann", "POST", server + "/action", {"os-start": None}, 409, w["server"])
        self.refuse("ann", "POST", f"/compute/v2.1/servers/{w['off']}/action", {"os-stop": None}, 409, w["off"])
        for action in ("reboot", "rebuild", "resize", "os-getVNCConsole", "createImage", "x\0y", "", "é", "a" * 500_000):
            self.refuse("ann", "POST", server + "/action", {action: {}}, 501, "os-start")
            self.refuse("bob", "POST", server + "/action", {action: {}}, 404)
        for body in ({"os-getConsoleOutput": "x"}, {"os-getConsoleOutput": [1]}, {"os-getConsoleOutput": {"nonsense": 1}}):
            self.refuse("ann", "POST", server + "/action", body, 400)
        self.refuse("ann", "PUT", server, {"server": {"name": "  "}}, 400, "name")

    def named_in_bodies(self):
        """another tenant's things, named in a body, are not there"""
        w = self.world
        theirs = {"image": w["image"], "network": w["network"], "port": w["port"], "volume": w["volume"], "group": w["security_group"],
                  "subnet": w["subnet"], "key": "mine"}
        w["own_image"] = w.image("bob", "own")
        for name, path in (("own_network", "networks"), ("own_router", "routers"), ("own_group", "security-groups")):
            w.make(name, f"/network/v2.0/{path}", path[:-1].replace("-", "_"), "bob", name=name)
        server = {"name": "s", "imageRef": w["own_image"], "flavorRef": "1", "networks": "none"}
        disk = lambda ident: [{"uuid": ident, "source_type": "volume", "destination_type": "volume", "boot_index": -1}]
        attempts = [
            ("/compute/v2.1/servers", "image", lambda i: {"server": server | {"imageRef": i}}),
            ("/compute/v2.1/servers", "network", lambda i: {"server": server | {"networks": [{"uuid": i}]}}),
            ("/compute/v2.1/servers", "port", lambda i: {"server": server | {"networks": [{"port": i}]}}),
            ("/compute/v2.1/servers", "volume", lambda i: {"server": server | {"block_device_mapping_v2": disk(i)}}),
            ("/compute/v2.1/servers", "group", lambda i: {"server": server | {"security_groups": [{"name": i}]}}),
            ("/compute/v2.1/servers", "key", lambda i: {"server": server | {"key_name": i}}),
            (f"/volume/v3/{w['trade']}/volumes", "image", lambda i: {"volume": {"size": 1, "imageRef": i}}),
            (f"/volume/v3/{w['trade']}/volumes", "volume", lambda i: {"volume": {"size": 1, "source_volid": i}}),
            ("/network/v2.0/ports", "network", lambda i: {"port": {"network_id": i}}),
            ("/network/v2.0/ports", "group", lambda i: {"port": {"network_id": w["own_network"], "security_groups": [i]}}),
            ("/network/v2.0/ports", "subnet", lambda i: {"port": {"network_id": w["own_network"], "fixed_ips": [{"subnet_id": i}]}}),
            ("/network/v2.0/subnets", "network", lambda i: {"subnet": {"network_id": i, "cidr": "10.7.0.0/24"}}),
            ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
                "security_group_id": i, "direction": "ingress"}}),
            ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
                "security_group_id": w["own_group"], "direction": "ingress", "remote_group_id": i}}),
        ]
        for path, kind, body in attempts:
            answers = [self.refuse("bob", "POST", path, body(ident), {400, 404}, ident)
                       for ident in (theirs[kind], "theirs" if kind == "key" else UUID)]
            plain = {(a.status, a.data.decode().replace(theirs[kind], "ID").replace(UUID, "ID").replace("theirs", "ID"))
                     for a in answers}
            self.check(f"{path} tells that there is such a {kind}", len(plain) == 1, str(plain))
        for verb in ("add", "remove"):
            self.refuse("bob", "PUT", f"/network/v2.0/routers/{w['own_router']}/{verb}_router_interface",
                        {"subnet_id": w["subnet"]}, 404, w["subnet"])
        # Members inside members.
        server = {"name": "s", "imageRef": w["image"], "flavorRef": "1"}
        for nic in ({"uuid": 7}, {"uuid": w["network"], "fixed_ip": "x"}, {"uuid": w["network"], "fixed_ip": 7}, {"nonsense": 1}, {},
                    {"uuid": w["network"], "fixed_ip": "10.9.9.9"}, {"port": w["port"], "fixed_ip": "10.0.0.9"},
                    {"uuid": "../../x"}, {"uuid": w["network"], "tag": "t"}, {"port": ["x"]}):
            self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"networks": [nic]}}, 400)
        self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"networks": [{"port": w["lent"]}] * 2}}, 400, w["lent"])
        self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"networks": [{"uuid": w["network"]}] * 40}}, 400, "networks")
        self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server}, 409, "network")
        volume = disk(w["attached"])[0]
        for device, want in ((volume, {400, 409}), (volume | {"boot_index": 0}, 400), (volume | {"source_type": "snapshot"}, 400),
                             (volume | {"delete_on_termination": True}, 400), (volume | {"uuid": 7}, 400), (volume | {"uuid": ""}, 400),
                             (volume | {"boot_index": "x"}, 400), (volume | {"nonsense": 1}, 400), ({}, 400)):
            self.refuse("ann", "POST", "/compute/v2.1/servers",
                        {"server": server | {"networks": "none", "block_device_mapping_v2": [device]}}, want)
        for reference in ("x" * 500_000, "https://elsewhere/" + UUID, "\0", "/", 10 ** 25):
            self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"imageRef": reference}}, 400, "imageRef")
        for group in ({"name": 7}, {"name": "x" * 500_000}, {"name": "\0"}, {}, {"id": UUID}):
            self.refuse("ann", "POST", "/compute/v2.1/servers",
                        {"server": server | {"networks": [{"uuid": w["network"]}], "security_groups": [group]}}, 400, "security_groups")
        subnet = {"network_id": w["empty"], "cidr": "10.5.0.0/24", "ip_version": 4}
        for more, want in (({"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.2"}]}, 400), ({"allocation_pools": [{"start": 7}]}, 400),
                           ({"allocation_pools": [{"start": "10.6.0.1", "end": "10.6.0.9"}]}, 409), ({"allocation_pools": [{}]}, 400),
                           ({"allocation_pools": [{"start": "10.5.0.1", "end": "10.5.0.9"}]}, 409),
                           ({"allocation_pools": [{"start": "0.0.0.0", "end": "255.255.255.255"}]}, {400, 409}),
                           ({"host_routes": [{"destination": "x", "nexthop": "10.5.0.1"}]}, 400), ({"host_routes": [{}]}, 400),
                           ({"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.5.0.1"}] * 99}, 400),
                           ({"gateway_ip": "10.6.0.1"}, 400), ({"gateway_ip": "10.5.0.255"}, 400), ({"ip_version": 6}, 400)):
            self.refuse("ann", "POST", "/network/v2.0/subnets", {"subnet": subnet | more}, want, *more)
        for ips in ([{"ip_address": 7}], [{"ip_address": "x"}], [{"subnet_id": 7}], [{}], [{"nonsense": 1}], [{"subnet_id": UUID}], [],
                    [{"ip_address": f"10.0.0.{n}"} for n in range(100, 120)], [{"ip_address": "10.0.0.99"}] * 2):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": {"network_id": w["network"], "fixed_ips": ips}}, {400, 404})
        rule = {"security_group_id": w["security_group"], "direction": "ingress"}
        for more, says in (({"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}, "port_range_min"), ({"port_range_min": 1}, "rotocol"),
                           ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 0}, "port"), ({"protocol": 256}, "protocol"),
                           ({"protocol": "icmp", "port_range_min": 999}, "port_range_min"), ({"protocol": "icmpv6"}, "IPv4"),
                           ({"remote_ip_prefix": "::/0"}, "remote_ip_prefix"), ({"remote_ip_prefix": "10.0.0.0/99"}, "remote_ip_prefix"),
                           ({"remote_ip_prefix": "0.0.0.0/0", "remote_group_id": w["security_group"]}, "remote_group_id")):
            self.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule | more}, 400, says)
        self.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": []}, 400, "limits")
        limit = {"project_id": w["spare_project"], "resource_name": "volumes", "resource_limit": 1}
        self.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": [limit, limit | {"resource_name": "cores"}]}, 400, "limits")

    def quotas(self):
        """more than a project may have: each service's own code"""
        w, items = self.world, {}
        for item, value in (("instances", 0), ("network", 2), ("subnet", 0), ("port", 0), ("router", 0), ("security_group", 1),
                            ("security_group_rule", 4), ("volumes", 1), ("gigabytes", 3), ("images", 1)):
            items[item] = w.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": w["small"], "resource_name": item, "resource_limit": value}]})["limits"][0]["id"]
        who, small = "ann-small", w["small"]
        w["small_image"] = w.image(who, "small")
        net = w.make("small_network", "/network/v2.0/networks", "network", who, name="one")
        w.make("small_network2", "/network/v2.0/networks", "network", who, name="two")
        group = w.must(who, "GET", "/network/v2.0/security-groups")["security_groups"][0]["id"]
        over = "xceeded"
        server = {"server": {"name": "s", "imageRef": w["small_image"], "flavorRef": "1", "networks": "none"}}
        for path, body, want in (
                ("/network/v2.0/networks", {"network": {}}, 409), ("/network/v2.0/routers", {"router": {}}, 409),
                ("/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/24"}}, 409),
                ("/network/v2.0/ports", {"port": {"network_id": net}}, 409),
                ("/network/v2.0/security-groups", {"security_group": {"name": "g"}}, 409),
                ("/network/v2.0/security-group-rules", {"security_group_rule": {"security_group_id": group, "direction": "ingress",
                                                                               "protocol": "tcp"}}, 409),
                ("/compute/v2.1/servers", server, 403), (f"/volume/v3/{small}/volumes", {"volume": {"size": 4}}, 413),
                ("/image/v2/images", {"name": "more"}, 413)):
            answer = self.refuse(who, "POST", path, body, want, over)
            if want == 409:
                self.check(f"network: {path} over quota is no OverQuota", (answer.json or {}).get("NeutronError", {}).get("type") == "OverQuota",
                           str(answer))
        w.must("sysadmin", "PATCH", f"/identity/v3/limits/{items['instances']}", {"limit": {"resource_limit": -1}})
        for item in ("cores", "ram"):
            ident = w.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": small, "resource_name": item, "resource_limit": 0}]})["limits"][0]["id"]
            self.refuse(who, "POST", "/compute/v2.1/servers", server, 403, item)
            w.must("sysadmin", "DELETE", f"/identity/v3/limits/{ident}")
        w.must(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}})
        self.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}}, 413, "volumes")
        self.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1 << 20}}, 413, "xceeded")

    def protocol(self):
        """what is hardly HTTP: heads, lengths, encodings, versions, sizes"""
        w = self.world
        at, ann, wire = w.instance.tenants, w.tokens["ann"], w.wire
        nets = f"{at}/network/v2.0/networks"
        for headers in ({"X-Auth-Token": "x" * 60_000}, {"X-Auth-Token": "\xff\xfe"}, {"X-Auth-Token": "a, b"},
                        {"X-Auth-Token": w.tokens["ann"].swapcase()}):
            wire.strangers += 1
            self.judge("a strange token: GET /v2.0/networks", "network", wire.ask("GET", nets, headers=headers), {401}, recorded=False)
        for version, want in (("compute 2.79", 406), ("compute 9999999999999.1", {200, 400, 406}), ("compute latest", {200, 400, 406}),
                              ("\xff", {200, 400}), ("compute -1.-1", {200, 400, 406}), ("x" * 5000, {200, 400})):
            answer = wire.ask("GET", f"{at}/compute/v2.1/servers", token=ann, headers={"OpenStack-API-Version": version})
            self.judge(f"version {version[:20]}", "compute", answer, {want} if isinstance(want, int) else want, recorded=False)
        self.judge("a long id: GET /v2.0/networks/{id}", "network", wire.ask("GET", f"{nets}/{'x' * 30_000}", token=ann), {404})
        self.judge("a long query: GET /v2.0/networks", "network", wire.ask("GET", f"{nets}?{'a=b&' * 7000}", token=ann), {200, 400})
        self.judge("many segments", "network", wire.ask("GET", nets + "/x" * 10_000, token=ann), {404}, recorded=False)
        answer = wire.ask("GET", f"{at}/../../etc/passwd")
        self.check("a path outside of the services", answer.status == 404 and answer.request, str(answer))
        for who, method, path, status in (("nobody", "POST", "/network/v2.0/networks", 401), ("nobody", "POST", "/nothing/here", 404),
                                          ("ann", "DELETE", "/network/v2.0/networks", 405), ("nobody", "PUT", f"/image/v2/images/{UUID}/file", 401),
                                          ("ann", "PUT", f"/image/v2/images/{UUID}/file", 404), ("bob", "PUT", f"/image/v2/images/{w['image']}/file", 404),
                                          ("ann", "PUT", f"/image/v2/images/{w['image']}/file", 409), ("ann", "POST", "/network/v2.0/networks", 413)):
            # Refused before the body is read: the answer must get through all the same.
            answer = wire.ask(method, at + path, b"x" * (8 << 20), w.tokens.get(who), alone=True)
            wire.strangers += status == 401
            self.check(f"a large body, refused early: {who} {method} {path}", answer.status == status, str(answer), "refused early")
            if status in (404, 409) and who != "nobody" and answer.request:
                wire.refused.append((answer.request, answer.asked))
        host = "Host: 127.0.0.1\r\n"
        for what, more in (("no token", ""), ("a token", f"X-Auth-Token: {w.tokens['rita']}\r\n")):
            path = f"/image/v2/images/{UUID}/file" if more else "/network/v2.0/networks"
            wire.strangers += not more
            self.check(f"refused before its body came ({what}): the connection goes on, or the answer says that it ends",
                       self.goes_on(f"PUT {path}" if more else f"POST {path}", host + more), kind="goes on")
        token = f"X-Auth-Token: {ann}\r\n"
        for what, text, want in (
                ("a target of 70 KB", f"GET /network/v2.0/networks?{'x' * 70_000} HTTP/1.1\r\n{host}\r\n", b"414 431 400"),
                ("a head of 1 MB", f"GET /network/v2.0/networks HTTP/1.1\r\n{host}X: {'x' * 1_000_000}\r\n\r\n", b"431 400"),
                ("1000 headers", f"GET /network/v2.0/networks HTTP/1.1\r\n{host}{''.join(f'X-{n}: 1{chr(13)}{chr(10)}' for n in range(1000))}\r\n",
                 b"431 400"),
                ("no HTTP", "\x16\x03\x01\r\n\r\n", b"400"), ("HTTP/9", f"GET / HTTP/9.9\r\n{host}\r\n", b"400 505"),
                ("two lengths", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
                ("a negative length", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n", b"400"),
                ("length and chunks", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Content-Length: 2\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
                ("bad chunks", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
                ("an unknown encoding", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: gzip\r\n\r\nx", b"400 501"),
                ("a NUL in the target", f"GET /network/\0 HTTP/1.1\r\n{host}\r\n", b"400"),
                ("a folded header", f"GET /network/ HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n", b"400"),
                ("a target without a slash", f"GET network HTTP/1.1\r\n{host}\r\n", b"400 404"),
                ("a whole URL", f"GET http://elsewhere/network/v2.0/networks HTTP/1.1\r\n{host}\r\n", b"401")):
            got = wire.raw(at, text.encode("latin-1"))
            wire.strangers += want == b"401"
            line = got.split(b"\r\n")[0]
            self.check(f"HTTP: {what}", line.startswith(b"HTTP/1.1 ") and line.split()[1] in want.split(), repr(got[:200]), "HTTP")

    def floods(self):
        """many at a time who never end, and many who guess: nobody else waits for them"""
        w, at = self.world, self.world.instance.tenants
        host, token = "Host: 127.0.0.1\r\n", f"X-Auth-Token: {w.tokens['bob']}\r\n"
        body = json.dumps(login(w.users["bob"] | {"password": "Jy1-wrong-wrong"})).encode()
        uploads = [w.make("some", "/image/v2/images", None, "bob", disk_format="raw", container_format="bare") for _ in range(80)]
        for what, requests in (
                ("unfinished bodies", [f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Content-Length: 100\r\n\r\n{{".encode()] * 80),
                ("unfinished uploads", [f"PUT /image/v2/images/{i}/file HTTP/1.1\r\n{host}{token}Content-Length: 100000\r\n\r\nx".encode()
                                        for i in uploads]),
                ("sign-ins", [f"POST /identity/v3/auth/tokens HTTP/1.1\r\n{host}Content-Length: {len(body)}\r\n\r\n".encode() + body] * 300)):
            made = []
            try:
                with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                    made = list(pool.map(lambda request: self.begun(request), requests))
                begin = time.monotonic()
                try:
                    with w.wire.open(at, 5) as other:
                        other.sendall(f"GET /network/v2.0/networks HTTP/1.1\r\n{host}X-Auth-Token: {w.tokens['ann']}\r\n\r\n".encode())
                        line = other.recv(4096).split(b"\r\n")[0].decode()
                except OSError as e:
                    line = f"{type(e).__name__}: {e}"
                took = time.monotonic() - begin
                self.check(f"{len(requests)} {what} of another tenant hold ann up", line.startswith("HTTP/1.1 200") and took < 2, f"{line}, {took:.1f} s")
            finally:
                for connection in made:
                    connection.close()
            until("the flood is over", 60, lambda: w.do("ann", "GET", "/network/v2.0/networks").status == 200)

    def begun(self, request):
        """A connection on which a request was sent, whose answer nobody awaits."""
        made = self.world.wire.open(self.world.instance.tenants)
        made.sendall(request)
        return made

    def goes_on(self, line, head):
        """Whether another request is answered on a connection where one was refused before its body had come."""
        wire, at = self.world.wire, self.world.instance.tenants
        try:
            with wire.open(at, 5) as made:
                made.sendall(f"{line} HTTP/1.1\r\n{head}Content-Length: 20\r\n\r\n".encode())
                first = http.client.HTTPResponse(made)
                first.begin()
                first.read()
                if first.will_close:
                    return True
                time.sleep(0.1)
                made.sendall(b"x" * 20 + f"GET /network/ HTTP/1.1\r\n{head}\r\n".encode())
                second = http.client.HTTPResponse(made)
                second.begin()
                return second.status == 200
        except (OSError, http.client.HTTPException):
            return False

    def lock_out(self):
        """the provider's own domain cannot be closed to its staff"""
        w = self.world
        for body in ({"enabled": False}, {"name": "taken-over"}):
            answer = w.do("secadmin", "PATCH", "/identity/v3/domains/default", {"domain": body})
            w.wire.strangers += answer.status == 401
            self.judge(f"PATCH of the provider's domain: {body}", "identity", answer, {400, 403, 409}, recorded=answer.status != 401)
        answer = w.do("sysadmin", "GET", "/compute/v2.1/os-services")
        w.wire.strangers += answer.status == 401
        self.judge("staff can work after it", "compute", answer, {200}, recorded=answer.status != 401)

    def afterwards(self):
        """the journal has each refusal and no secret; the cloud still works"""
        w, at = self.world, self.world.instance
        for name, path, one, body in (("end", "/network/v2.0/networks", "network", {"name": "end"}),
                                      ("end2", f"/volume/v3/{w['pay']}/volumes", "volume", {"size": 1}),
                                      ("end3", "/compute/v2.1/servers", "server", {"name": "end", "imageRef": w["image"],
                                       "flavorRef": "1", "networks": [{"uuid": w["network"]}]})):
            try:
                w.make(name, path, one, **body)
                self.check(f"{path}: a create still succeeds", True)
            except Failed as e:
                self.check(f"{path}: a create still succeeds", False, f"{e.what} {e.said}")
        try:
            expect("end3" in w.things, "it was not made")
            w.server("end3", "ACTIVE")
            self.check("a new server becomes ACTIVE", True)
        except Failed as e:
            self.check("a new server becomes ACTIVE", False, f"{e.what} {e.said}")
        last = w.do("ann", "GET", f"/network/v2.0/networks/{UUID}").request
        with tempfile.TemporaryDirectory() as scratch:
            export = f"{scratch}/export"

            def look():
                run([at.binary, "--instance", at.name, "journal", "export", export])
                with open(export, encoding="utf-8") as file:
                    found = [line for line in file if line.startswith('{"action"')]
                return any(last in line for line in found) and counted(found) == w.wire.strangers and found
            try:
                lines = until("the journal has the last request, and all without a token are counted", 25, look, 0.5)
            except Failed as e:
                with open(export, encoding="utf-8") as file:
                    lines = [line for line in file if line.startswith('{"action"')]
                self.check(f"{e.what}: {counted(lines)} of {w.wire.strangers}", False,
                           f"the last request is {'' if any(last in line for line in lines) else 'not '}there")
            else:
                self.check("requests without a good token are counted exactly", True)
            self.journal(lines)
            with open(export, "rb") as file:
                journal = file.read()
            code, out, errors = run([sys.executable, f"{HERE}/verify.py", "--keys", f"{at.state}/journal.keys", export], 60, ok=False)
            self.check("the journal verifies", code == 0, out[-800:] + errors[-800:])
        with open(f"{at.state}/log", "rb") as file:
            log = file.read()
        self.check("no part of the product panics", b"panicked" not in log, log[-2000:].decode(errors="replace"))
        for what, text in (("journal", journal), ("log", log)):
            found = [secret for secret in SECRETS if secret.encode() in text]
            where = [m.decode(errors="replace") for s in found[:3] for m in re.findall(rb".{0,120}" + re.escape(s.encode()), text)[:1]]
            self.check(f"{len(found)} of {len(SECRETS)} secrets stand in the {what}", not found, "\n    ".join(where))

    def journal(self, lines):
        refusals = collections.defaultdict(list)
        for line in lines:
            entry = json.loads(line)
            if entry["outcome"] == "refused":
                refusals[entry["request"]].append(entry)
        missing = [(request, asked) for request, asked in self.world.wire.refused if request not in refusals]
        self.check(f"{len(missing)} of {len(self.world.wire.refused)} refusals are not in the journal", not missing,
                   "\n    ".join(f"{request} {asked}" for request, asked in missing[:8]))
        twice = [entries[0] for request, entries in refusals.items() if len(entries) > 1 and request != "edge"]
        self.check(f"{len(twice)} refusals are in the journal twice", not twice, "\n    ".join(str(e)[:300] for e in twice[:4]))
        long = sorted((line for line in lines if '"outcome":"refused"' in line and len(line) > 2 * LONG), key=len)
        self.check(f"{len(long)} refusals have entries of more than {2 * LONG} characters (the longest {len(long[-1]) if long else 0})",
                   not long, "\n    ".join(line[:150] for line in long[-5:]))

    STORIES = (sweep, signing, taken, named_in_bodies, in_use, quotas, protocol, floods, lock_out, afterwards)


def user(auth):
    return auth["identity"]["password"]["user"]


def counted(lines):
    """How many requests without a good token the journal speaks of: the first of each window, and the numbers of others."""
    total = 0
    for line in lines:
        entry = json.loads(line)
        reason = entry.get("reason") or {}
        more = re.fullmatch(r"(\d+) more requests without a good token", reason.get("message", ""))
        first = reason.get("message") in ("no token was sent", "the token is not good")
        total += int(more[1]) if more else first and entry["action"] != "identity:token:create"
    return total


def backing_file(args):
    """A qcow2 that names another file."""
    with open(stand_in_image(args), "rb") as file:
        content = bytearray(file.read())
    content[8:20] = (0x200).to_bytes(8, "big") + (11).to_bytes(4, "big")
    content[0x200:0x20b] = b"/etc/passwd"
    return bytes(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", required=True, help="the jinyun to run the instance with")
    parser.add_argument("--instance", default="abuse")
    parser.add_argument("--port", type=int, default=58443)
    parser.add_argument("--management-port", type=int, default=58444)
    parser.add_argument("--postgres", metavar="STRING", help="PostgreSQL instead of SQLite")
    parser.add_argument("--show", type=int, default=3, help="how many failures of a kind to show")
    parser.add_argument("--keep", action="store_true", help="leave the instance up at the end")
    args = parser.parse_args()

    def jinyun(*words):
        done = subprocess.run([args.binary, "--instance", args.instance, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return done.returncode == 0, done.stdout
    sweep = Sweep(args)
    jinyun("down")  # what a test that was killed may have left
    try:
        ports = ["--port", str(args.port), "--management-port", str(args.management_port)]
        ports += ["--postgres", args.postgres] if args.postgres else []
        if sweep.check("up", *jinyun("up", "--hosts", "simulated", *ports)):
            sweep.world = World(args)
            sweep.world.people()
            sweep.world.resources()
            for story in Sweep.STORIES:
                begin, before = time.monotonic(), (sweep.passed, sweep.failed)
                try:
                    story(sweep)
                except Failed as e:
                    sweep.check(f"{story.__name__}: {e.what}", False, f"{e.did}\n    {e.said}")
                print(f"{story.__doc__.strip()}: {sweep.passed - before[0]} passed, {sweep.failed - before[1]} failed, "
                      f"{time.monotonic() - begin:.0f} s", flush=True)
    except Failed as e:
        sweep.check(e.what, False, f"{e.did}\n    {e.said}")
    finally:
        if not args.keep:
            sweep.check("down", *jinyun("down"))
    for kind, number in sweep.kept.most_common():
        if number > args.show:
            print(f"{number} failures of the kind: {kind[:150]}")
    print(f"{sweep.passed} passed, {sweep.failed} failed")
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
