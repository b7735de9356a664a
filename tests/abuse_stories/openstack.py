"""What bad input costs in networks, volumes, images and servers: taken names, things in use, foreign things named in
bodies, and quotas."""

from abuse_cases import HEX, KEY, LARGE, ROLES, UUID, fresh
from tour import stand_in_image


def taken(s):
    """names, ids and addresses that somebody has"""
    w, pay = s.world, s.world["pay"]
    for name in ("bank", "BANK"):
        s.refuse("secadmin", "POST", "/identity/v3/domains", {"domain": {"name": name}}, 409, "bank", "BANK")
    s.refuse("secadmin", "PATCH", f"/identity/v3/domains/{w['spare_domain']}", {"domain": {"name": "fund"}}, 409,
                "fund")
    s.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": "pay"}}, 409, "pay")
    s.refuse("boss", "POST", "/identity/v3/users", {"user": {"name": "Ann", "domain_id": w["bank"]}}, 409, "Ann")
    s.refuse("sysadmin", "POST", "/compute/v2.1/flavors",
                {"flavor": {"name": "m1.tiny", "ram": 1, "vcpus": 1, "disk": 1}},
                409, "m1.tiny")
    s.refuse("sysadmin", "POST", "/compute/v2.1/flavors",
                {"flavor": {"name": fresh(), "id": "1", "ram": 1, "vcpus": 1, "disk": 1}}, 409, "1")
    s.refuse("ann", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}}, 409,
                "mine")
    s.refuse("ann", "POST", "/image/v2/images", {"id": w["image"]}, 409, w["image"])
    s.refuse("sysadmin", "POST", "/identity/v3/limits",
                {"limits": [{"project_id": pay, "resource_name": "volumes", "resource_limit": 1}]}, 409, "volumes")
    rule = {"security_group_id": w["security_group"], "direction": "ingress", "protocol": "17",
            "port_range_min": 53,
            "port_range_max": 53}
    s.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule}, 409,
                w["security_group"])
    s.refuse("ann", "POST", "/network/v2.0/security-groups", {"security_group": {"name": "default"}}, 409,
                "efault")
    s.refuse("ann", "POST", "/network/v2.0/subnets",
                {"subnet": {"network_id": w["network"], "cidr": "10.0.0.128/25", "ip_version": 4}}, 400, "overlaps")
    port = {"network_id": w["network"]}
    taken = w.must("ann", "GET", f"/network/v2.0/ports/{w['port']}")["port"]
    for ip in ("10.0.0.77", "10.0.0.1"):
        s.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 409,
                    ip)
    for ip in ("10.9.9.9", "10.0.0.0", "10.0.0.255", "255.255.255.255"):
        s.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 400,
                    ip, "fixed_ips")
    s.refuse("ann", "POST", "/network/v2.0/ports",
                {"port": port | {"mac_address": taken["mac_address"].upper()}}, 409,
                taken["mac_address"])
    s.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/add_router_interface",
                {"subnet_id": w["joined"]}, 400,
                w["joined"])
    s.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/remove_router_interface",
                {"subnet_id": w["subnet"]}, 404, w["subnet"])


def in_use(s):
    """what is in use stays, and what is in another state does not do it"""
    w, net = s.world, "/network/v2.0"
    used = ((f"{net}/networks/{w['network']}", 409), (f"{net}/subnets/{w['subnet']}", 409),
            (f"{net}/subnets/{w['joined']}", 409), (f"{net}/routers/{w['router']}", 409),
            (f"{net}/security-groups/{w['security_group']}", 409),
            (f"/volume/v3/{w['pay']}/volumes/{w['attached']}", 400))
    for path, want in used:
        s.refuse("ann", "DELETE", path, None, want, path.split("/")[-1])
    groups = w.must("ann", "GET", f"{net}/security-groups?name=default")["security_groups"]
    s.refuse("ann", "DELETE", f"{net}/security-groups/{groups[0]['id']}", None, 409, "default")
    s.refuse("ann", "PUT", f"{net}/security-groups/{groups[0]['id']}", {"security_group": {"name": "x"}}, 409,
                "default")
    [own] = w.must("ann", "GET", f"{net}/ports?device_id={w['server']}")["ports"]
    s.refuse("ann", "DELETE", f"{net}/ports/{own['id']}", None, 409, w["server"])
    s.refuse("ann", "PUT", f"{net}/ports/{own['id']}", {"port": {"mac_address": "fa:16:3e:00:00:99"}}, 409,
                own["id"])
    s.refuse("ann", "PUT", f"{net}/ports/{w['port']}", {"port": {"device_owner": "network:dhcp"}}, {400, 403},
                "device_owner")
    for guard, want in (("revision_number=999", 412), ("revision_number=abc", 400), ("*", 400), ("", 400)):
        s.refuse("ann", "PUT", f"{net}/networks/{w['network']}", {"network": {"name": "n"}}, want,
                    headers={"If-Match": guard})
    s.refuse("boss", "DELETE", f"/identity/v3/projects/{w['pay']}", None, 409, w["pay"])
    s.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['bank']}", None, 403, "disable")
    w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": False}})
    s.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['fund']}", None, 409, w["fund"])
    s.refuse("bob", "GET", "/network/v2.0/networks", None, 401)
    w.wire.stranger()
    w.wire.refused.pop()
    w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": True}})
    # What was issued before an institution was closed stays void. Whoever works there signs in again.
    for who in ("boss2", "bob"):
        w.sign_in(who)
    s.refuse("secadmin", "DELETE", "/identity/v3/domains/default", None, {403, 409}, "default", "provider")
    for user, role, want in ((w["sysadmin"], "system_admin", 409), (w["sysadmin"], "audit_admin", 409),
                             (w["ann"], "audit_admin", 400), (w["sysadmin"], "member", 400)):
        s.refuse("secadmin", "DELETE" if want == 409 and role == "system_admin" else "PUT",
                    f"/identity/v3/system/users/{user}/roles/{ROLES[role]}", None, want)
    s.refuse("secadmin", "PUT", f"/identity/v3/domains/default/users/{w['auditor']}/roles/{ROLES['manager']}",
                None, {400, 403})
    s.refuse("secadmin", "PUT", f"/identity/v3/domains/{w['bank']}/users/{w['ann']}/roles/{ROLES['manager']}",
                None, 403)
    s.refuse("secadmin", "POST", "/identity/v3/users", {"user": {"name": fresh(), "domain_id": w["bank"]}}, 403)
    s.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": fresh(), "domain_id": w["fund"]}},
                {403, 404})
    s.refuse("boss", "PUT", f"/identity/v3/projects/{w['pay']}/users/{w['bob']}/roles/{ROLES['member']}", None,
                404, w["bob"])
    same = [s.refuse(who, "POST", "/identity/v3/limits", {"limits": [
        {"project_id": project, "resource_name": "volumes", "resource_limit": 1}]}, {403, 404})
        for who, project in (("bob", w["pay"]), ("bob", HEX))]
    s.check("identity: POST /v3/limits tells anybody which projects there are",
               len({(a.status, a.data.replace(w["pay"].encode(), b"ID").replace(HEX.encode(),
                   b"ID")) for a in same}) == 1,
               "\n    ".join(map(str, same)))
    image = f"/image/v2/images/{w['image']}"
    octets = {"Content-Type": "application/octet-stream"}
    s.refuse("ann", "PUT", image + "/file", b"more", 409, "active", headers=octets)
    s.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/disk_format", "value": "raw"}], 403,
                "disk_format")
    w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": True}])
    s.refuse("ann", "DELETE", image, None, 403, "protected")
    w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": False}])
    for step in ({"op": "replace", "path": "/status", "value": "x"}, {"op": "remove", "path": "/name"},
                 {"op": "add", "path": "/visibility", "value": "public"},
                 {"op": "replace", "path": "/owner", "value": w["trade"]}):
        s.refuse("ann", "PATCH", image, [step], 403)
    for step in ({"op": "replace", "path": "/nothing", "value": "x"}, {"op": "remove", "path": "/nothing"}):
        s.refuse("ann", "PATCH", image, [step], 409, "nothing")
    for step in ({"op": "test", "path": "/name"}, {"op": "replace", "path": "name", "value": "x"},
                 {"op": "add", "path": "/a/b"},
                 {"op": "replace", "path": "/name"}, {"op": "add", "path": "/p", "value": {}},
                 {"op": "add", "path": "/" + "p" * 300,
                  "value": "x"}, {"op": "add", "path": "/\0", "value": "x"}):
        s.refuse("ann", "PATCH", image, [step], 400)
    s.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/" + "n" * 500_000, "value": "x"}], {400, 409})
    queued = f"/image/v2/images/{w['queued']}/file"
    for data in (b"", b"no qcow2 at all", b"QFI\xfb" + b"\xff" * 600, b"\0" * LARGE, backing_file(w.args)):
        s.refuse("ann", "PUT", queued, data, 400, "data", "qcow2", "backing", headers=octets)
    server = f"/compute/v2.1/servers/{w['server']}"
    s.refuse("ann", "POST", server + "/action", {"os-start": None}, 409, w["server"])
    s.refuse("ann", "POST", f"/compute/v2.1/servers/{w['off']}/action", {"os-stop": None}, 409, w["off"])
    for action in ("reboot", "rebuild", "resize", "os-getVNCConsole", "createImage", "x\0y", "", "é",
                   "a" * 500_000):
        s.refuse("ann", "POST", server + "/action", {action: {}}, 501, "os-start")
        s.refuse("bob", "POST", server + "/action", {action: {}}, 404)
    for body in ({"os-getConsoleOutput": "x"}, {"os-getConsoleOutput": [1]},
                 {"os-getConsoleOutput": {"nonsense": 1}}):
        s.refuse("ann", "POST", server + "/action", body, 400)
    s.refuse("ann", "PUT", server, {"server": {"name": "  "}}, 400, "name")


def named_in_bodies(s):
    """another tenant's things, named in a body, are not there"""
    w = s.world
    theirs = {"image": w["image"], "network": w["network"], "port": w["port"], "volume": w["volume"],
              "group": w["security_group"],
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
        ("/network/v2.0/ports", "group", lambda i: {"port": {"network_id": w["own_network"],
                                                             "security_groups": [i]}}),
        ("/network/v2.0/ports", "subnet", lambda i: {"port": {"network_id": w["own_network"],
                                                              "fixed_ips": [{"subnet_id": i}]}}),
        ("/network/v2.0/subnets", "network", lambda i: {"subnet": {"network_id": i, "cidr": "10.7.0.0/24"}}),
        ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
            "security_group_id": i, "direction": "ingress"}}),
        ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
            "security_group_id": w["own_group"], "direction": "ingress", "remote_group_id": i}}),
    ]
    for path, kind, body in attempts:
        answers = [s.refuse("bob", "POST", path, body(ident), {400, 404}, ident)
                   for ident in (theirs[kind], "theirs" if kind == "key" else UUID)]
        plain = {(a.status, a.data.decode().replace(theirs[kind], "ID").replace(UUID, "ID").replace("theirs", "ID"))
                 for a in answers}
        s.check(f"{path} tells that there is such a {kind}", len(plain) == 1, str(plain))
    for verb in ("add", "remove"):
        s.refuse("bob", "PUT", f"/network/v2.0/routers/{w['own_router']}/{verb}_router_interface",
                    {"subnet_id": w["subnet"]}, 404, w["subnet"])
    # Members inside members.
    server = {"name": "s", "imageRef": w["image"], "flavorRef": "1"}
    for nic in ({"uuid": 7}, {"uuid": w["network"], "fixed_ip": "x"}, {"uuid": w["network"], "fixed_ip": 7},
                {"nonsense": 1}, {},
                {"uuid": w["network"], "fixed_ip": "10.9.9.9"}, {"port": w["port"], "fixed_ip": "10.0.0.9"},
                {"uuid": "../../x"}, {"uuid": w["network"], "tag": "t"}, {"port": ["x"]}):
        s.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"networks": [nic]}}, 400)
    s.refuse("ann", "POST", "/compute/v2.1/servers",
                {"server": server | {"networks": [{"port": w["lent"]}] * 2}}, 400, w["lent"])
    s.refuse("ann", "POST", "/compute/v2.1/servers",
                {"server": server | {"networks": [{"uuid": w["network"]}] * 40}}, 400, "networks")
    s.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server}, 409, "network")
    volume = disk(w["attached"])[0]
    for device, want in ((volume, {400, 409}), (volume | {"boot_index": 0}, 400),
                         (volume | {"source_type": "snapshot"}, 400),
                         (volume | {"delete_on_termination": True}, 400), (volume | {"uuid": 7}, 400),
                         (volume | {"uuid": ""}, 400),
                         (volume | {"boot_index": "x"}, 400), (volume | {"nonsense": 1}, 400), ({}, 400)):
        s.refuse("ann", "POST", "/compute/v2.1/servers",
                    {"server": server | {"networks": "none", "block_device_mapping_v2": [device]}}, want)
    for reference in ("x" * 500_000, "https://elsewhere/" + UUID, "\0", "/", 10 ** 25):
        s.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"imageRef": reference}}, 400,
                    "imageRef")
    for group in ({"name": 7}, {"name": "x" * 500_000}, {"name": "\0"}, {}, {"id": UUID}):
        s.refuse("ann", "POST", "/compute/v2.1/servers",
                    {"server": server | {"networks": [{"uuid": w["network"]}], "security_groups": [group]}}, 400,
                    "security_groups")
    subnet = {"network_id": w["empty"], "cidr": "10.5.0.0/24", "ip_version": 4}
    for more, want in (({"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.2"}]}, 400),
                       ({"allocation_pools": [{"start": 7}]}, 400),
                       ({"allocation_pools": [{"start": "10.6.0.1", "end": "10.6.0.9"}]}, 409),
                       ({"allocation_pools": [{}]}, 400),
                       ({"allocation_pools": [{"start": "10.5.0.1", "end": "10.5.0.9"}]}, 409),
                       ({"allocation_pools": [{"start": "0.0.0.0", "end": "255.255.255.255"}]}, {400, 409}),
                       ({"host_routes": [{"destination": "x", "nexthop": "10.5.0.1"}]}, 400),
                       ({"host_routes": [{}]}, 400),
                       ({"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.5.0.1"}] * 99}, 400),
                       ({"gateway_ip": "10.6.0.1"}, 400), ({"gateway_ip": "10.5.0.255"}, 400),
                       ({"ip_version": 6}, 400)):
        s.refuse("ann", "POST", "/network/v2.0/subnets", {"subnet": subnet | more}, want, *more)
    for ips in ([{"ip_address": 7}], [{"ip_address": "x"}], [{"subnet_id": 7}], [{}], [{"nonsense": 1}],
                [{"subnet_id": UUID}], [],
                [{"ip_address": f"10.0.0.{n}"} for n in range(100, 120)], [{"ip_address": "10.0.0.99"}] * 2):
        s.refuse("ann", "POST", "/network/v2.0/ports", {"port": {"network_id": w["network"], "fixed_ips": ips}},
                    {400, 404})
    rule = {"security_group_id": w["security_group"], "direction": "ingress"}
    for more, says in (({"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}, "port_range_min"),
                       ({"port_range_min": 1}, "rotocol"),
                       ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 0}, "port"),
                       ({"protocol": 256}, "protocol"),
                       ({"protocol": "icmp", "port_range_min": 999}, "port_range_min"),
                       ({"protocol": "icmpv6"}, "IPv4"),
                       ({"remote_ip_prefix": "::/0"}, "remote_ip_prefix"),
                       ({"remote_ip_prefix": "10.0.0.0/99"}, "remote_ip_prefix"),
                       ({"remote_ip_prefix": "0.0.0.0/0", "remote_group_id": w["security_group"]},
                        "remote_group_id")):
        s.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule | more}, 400,
                    says)
    s.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": []}, 400, "limits")
    limit = {"project_id": w["spare_project"], "resource_name": "volumes", "resource_limit": 1}
    first = limit | {"resource_name": "ram"}
    for more, want, says in (([limit] * 2, 409, "volumes"), ([limit | {"resource_name": "nothing"}], 400, "nothing"),
                             ([limit | {"project_id": HEX}], 404, HEX),
                             ([limit | {"project_id": w["trade"]}], 400, "domain"),
                             ([limit] * 100, 400, "limits")):
        s.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": [first, *more]}, want, says)
    made = w.must("sysadmin", "GET", f"/identity/v3/limits?project_id={w['spare_project']}")["limits"]
    s.check("of several limits some are made, although one is refused", not made, str(made))


def quotas(s):
    """more than a project may have: each service's own code"""
    w, items = s.world, {}
    for item, value in (("instances", 0), ("network", 2), ("subnet", 0), ("port", 0), ("router", 0),
                        ("security_group", 1),
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
            ("/network/v2.0/security-group-rules", {"security_group_rule": {"security_group_id": group,
                "direction": "ingress",
                                                                           "protocol": "tcp"}}, 409),
            ("/compute/v2.1/servers", server, 403), (f"/volume/v3/{small}/volumes", {"volume": {"size": 4}}, 413),
            ("/image/v2/images", {"name": "more"}, 413)):
        answer = s.refuse(who, "POST", path, body, want, over)
        if want == 409:
            s.check(f"network: {path} over quota is no OverQuota",
                       (answer.json or {}).get("NeutronError", {}).get("type") == "OverQuota",
                       str(answer))
    w.must("sysadmin", "PATCH", f"/identity/v3/limits/{items['instances']}", {"limit": {"resource_limit": -1}})
    for item in ("cores", "ram"):
        ident = w.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
            {"project_id": small, "resource_name": item, "resource_limit": 0}]})["limits"][0]["id"]
        s.refuse(who, "POST", "/compute/v2.1/servers", server, 403, item)
        w.must("sysadmin", "DELETE", f"/identity/v3/limits/{ident}")
    w.must(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}})
    s.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}}, 413, "volumes")
    s.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1 << 20}}, 413, "xceeded")


def backing_file(args):
    """A qcow2 that names another file."""
    with open(stand_in_image(args), "rb") as file:
        content = bytearray(file.read())
    content[8:20] = (0x200).to_bytes(8, "big") + (11).to_bytes(4, "big")
    content[0x200:0x20b] = b"/etc/passwd"
    return bytes(content)


STORIES = (taken, named_in_bodies, in_use, quotas)
