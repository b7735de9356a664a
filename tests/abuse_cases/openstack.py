"""How the operations of image, volume, network and compute are used rightly."""

from abuse_cases import KEY, case, counter, fresh, password

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
        body=lambda w: {"metadata": {"k": "v", "word": "v"}}, at=lambda whole: whole, members="metadata!=strings", unknown=False)
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
            body=lambda w: {"subnet_id": w["free_subnet"]}, members="subnet_id!=ref", tried=False)


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
        members="name!=key_name public_key=public_key type=word user_id=ref")
    add("GET /v2.1/servers|GET /v2.1/servers/detail", other=None, pages=True)
    add("POST /v2.1/servers", other=None, body=lambda w: {"server": {
        "name": fresh(), "imageRef": w["image"], "flavorRef": "1", "networks": "none", "adminPass": password()}},
        members="name!=text imageRef!=ref flavorRef!=ref key_name=label networks=list security_groups=list "
                "user_data=base64 "
                "metadata=strings availability_zone=word min_count=int(1,1) max_count=int(1,1) "
                "block_device_mapping_v2=list block_device_mapping=none personality=none config_drive=none "
                "accessIPv4=none adminPass=secret OS-DCF:diskConfig=word")
    add("GET /v2.1/servers/{id}|DELETE /v2.1/servers/{id}|GET /v2.1/servers/{id}/os-interface"
        "|GET /v2.1/servers/{id}/os-volume_attachments", here="id=server")
    add("PUT /v2.1/servers/{id}", here="id=server", body=lambda w: {"server": {"name": "s"}},
        members="name=text accessIPv4=none accessIPv6=none")
    add("POST /v2.1/servers/{id}/action", here="id=server", body=lambda w: {"os-getConsoleOutput": {"length": 1}},
        members="length=int(-1,4294967295)", tried=False)
