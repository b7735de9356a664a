"""What tests/abuse.py sends: how each operation is used rightly (CASES), and every value that is wrong.

Nothing is asked here; the table of operations itself is docs/openstack.md."""

import base64
import itertools
import os
import re
import secrets

from cloud import expect

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = f"{HERE}/../docs/openstack.md"
WORKERS = 8
LARGE = 2 << 20  # more than a JSON body may have
LONG = 4096  # characters that the words of a refusal may have, whatever was sent
SERVICES = {"identity": "/identity", "image": "/image", "volume": "/volume", "network": "/network",
            "compute": "/compute"}
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
           "marker=", "sort_key=nonsense&sort_dir=sideways", "sort=nonsense:sideways", "fields=id&fields=%00",
           "name=%00",
           "name=%ff%fe&id=..%2f..%2f", "&&&===&", "%", "%zz=%zz", "name=" + "x" * 8000, "all_tenants=1&all_projects=1",
           "=1;--", "changes-since=yesterday", "changes-since=9999-12-31T23:59:60%2B23:59", "offset=-1",
           "with_count=maybe",
           "status=nonsense&status=%0a", "created_at=gt:garbage", "minDisk=-9999999999999999999", "is_public=garbage",
           "name[]=1&name[a][b]=2", "usage=%F0%9F%98%80", "tenant_id=..%2f..", "size_min=-1", "ip=%28%5B%2A",
           "user.id=%00"]
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


def login(user):
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": user["name"], "domain": {"id": user["domain"]}, "password": user["password"]}}},
                     "scope": user["scope"]}}


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
    add(f"GET {path}/{{role}}|HEAD {path}/{{role}}", by="secadmin", other="boss2",
        here="user=sysadmin role=system_admin")
    add("GET /v3/limits", by="sysadmin", other=None, pages=True)
    add("POST /v3/limits", by="sysadmin", other=None, at=lambda whole: whole["limits"][0],
        body=lambda w: {"limits": [{"project_id": w["spare_project"], "resource_name": "volumes",
                                    "resource_limit": 5}]},
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
        body=lambda w: [{"op": "replace", "path": "/name", "value": "i"}], members="op!=word path!=word value=text",
        names=("name",))
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
    add(f"GET {base}/volumes/{{id}}|DELETE {base}/volumes/{{id}}|GET {base}/volumes/{{id}}/metadata", here=item,
        **hidden)
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
        "ports": ("port", {"network_id": "$network"},
                  "mac_address=mac fixed_ips=list device_id=label device_owner=label "
                  "security_groups=ids port_security_enabled=bool binding:vnic_type=word binding:host_id=none "
                  "binding:profile=none allowed_address_pairs=none extra_dhcp_opts=none qos_policy_id=none "
                  "dns_name=none",
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
            body=lambda w, one=one, needed=needed: {one: {k: w.filled(v) for k,
                                                          v in needed.items()} | {"name": fresh()}})
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
        members="name!=text imageRef!=ref flavorRef!=ref key_name=label networks=list security_groups=list "
                "user_data=base64 "
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
        "text": NO_TEXT + CONTROLS + [LONG_NAME], "plain": NO_TEXT + CONTROLS + [LONG_NAME],
        "label": NO_TEXT + CONTROLS + [LONG_NAME], "free": NO_TEXT,
        "bool": ["maybe", 7, -1, 1.5, [], {}, "yes\0", [True]], "int": numbers,
        "zero": ["abc", 1.5, True, [], {}, 1, -1, 10 ** 30], "number": ["abc", [], {}, True, -1],
        "list": NO_LIST + [[7], ["x"], [[]], [None]], "texts": NO_LIST + [[7], [{}], [None], [["x"]], ["x" * 300],
            ["a\0"]],
        "ips": NO_LIST + [[7], [{}], [None], ["x"], ["10.0.0"], ["fe80::1"], ["1.2.3.4"] * 99],
        "ids": NO_LIST + [[7], [{}], [None]], "object": NO_OBJECT,
        "strings": NO_OBJECT + [{"k": 7}, {"k": {}}, {"k": []}, {"k": None}, {"": "v"}, {"k": "v" * 300},
                                {"k" * 300: "v"}, {str(n): "v" for n in range(999)}],
        "word": [7.5, True, [], {}, "sideways", LONG_NAME, "a\0b", "\u202e", "ｔｃｐ"],
        "domain": [7.5, True, [], {}, LONG_NAME, "a\0b", "-a", "a..b", "ｔｃｐ", "a b", "\u202e"],
        "ip": NO_TEXT + ["x", "999.1.1.1", "10.0.0", "::1", "10.0.0.1/24", "١٠.٠.٠.١", "0.0.0.0",
                         "255.255.255.255"],
        "cidr": NO_TEXT + ["x", "10.0.0.0/33", "10.0.0.0/-1", "0.0.0.0/0", "300.0.0.0/8", "fd00::/64", "127.0.0.0/8",
                           "169.254.0.0/16", "224.0.0.0/4", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.0/8/8"],
        "mac": NO_TEXT + ["x", "fa:16:3e:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00",
                          "02:fe:ee:ee:ee:ee", "fa:16:3e:00:00:0g", "fa-16-3e-00-00-01"],
        "uuid": NO_TEXT + ["x", "..", "../../etc/passwd", UUID + "\0", LONG_NAME, UUID.replace("0", "０")],
        "ref": [True, [], {}, ["x"]], "gone": [True, {"a": 1}, ["x"], 7], "none": [{"a": 1}, ["a"], 7, "x"],
        "property": [[], {}, ["x"], {"a": "b"}],
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
