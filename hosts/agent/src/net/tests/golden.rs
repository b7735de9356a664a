//! Golden filters: of the first network and of the router in `document`.

/// The first network's.
pub const NETWORK: &str = r#"flush ruleset
table inet jinyun {
	set g_web {
		type ipv4_addr
		elements = { 10.0.0.11 }
	}
	chain g_web_in {
		tcp dport 80 accept
		tcp dport 8000-8080 ip saddr @g_web accept
		udp dport 53 ip saddr 10.1.0.0/16 accept
		icmp type 8 icmp code 0 accept
	}
	chain g_web_out {
		accept
	}
	chain from_ports {
		type filter hook prerouting priority raw; policy drop;
		iifname vmap { "lo" : accept, "ta1a1a1a1000" : goto as_ta1a1a1a1000, "tb2b2b2b2000" : accept, "tc3c3c3c3000" : drop, "r33333333ccc" : accept }
		counter log group 2 prefix "spoof-dev " drop
	}
	chain as_ta1a1a1a1000 {
		meta nfproto ipv6 counter drop
		ether saddr != fa:16:3e:00:00:11 counter log group 2 prefix "spoof-mac " drop
		ip saddr { 10.0.0.11 } accept
		ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
		counter log group 2 prefix "spoof-ip " drop
	}
	chain out_ta1a1a1a1000 {
		jump g_web_out
		counter log group 1 prefix "sg-drop " drop
	}
	chain in_ta1a1a1a1000 {
		jump g_web_in
		counter log group 1 prefix "sg-drop " drop
	}
	chain egress {
		type filter hook forward priority filter - 10; policy drop;
		oifname { "tc3c3c3c3000" } counter drop
		ct state established,related accept
		ct state invalid counter drop
		iifname vmap { "ta1a1a1a1000" : goto out_ta1a1a1a1000, "tb2b2b2b2000" : accept, "r33333333ccc" : accept }
		counter log group 1 prefix "sg-drop " drop
	}
	chain ingress {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct state invalid counter drop
		oifname vmap { "ta1a1a1a1000" : goto in_ta1a1a1a1000, "tb2b2b2b2000" : accept, "r33333333ccc" : accept }
		counter log group 1 prefix "sg-drop " drop
	}
	chain sv_ta1a1a1a1000 {
		ip saddr { 0.0.0.0, 10.0.0.11 } udp sport 68 udp dport 67 limit rate 20/second burst 40 packets accept
		ip saddr != { 10.0.0.11 } counter drop
		ip daddr { 10.0.0.1, 169.254.169.254 } udp dport 53 limit rate 500/second burst 1000 packets accept
		ip daddr 169.254.169.254 tcp dport 80 accept
		ip daddr { 10.0.0.1, 169.254.169.254 } icmp type 8 limit rate 100/second burst 100 packets accept
		counter drop
	}
	chain sv_tb2b2b2b2000 {
		ip saddr { 0.0.0.0, 10.0.0.12 } udp sport 68 udp dport 67 limit rate 20/second burst 40 packets accept
		ip saddr != { 10.0.0.12 } counter drop
		ip daddr { 10.0.0.1, 169.254.169.254 } udp dport 53 limit rate 500/second burst 1000 packets accept
		ip daddr 169.254.169.254 tcp dport 80 accept
		ip daddr { 10.0.0.1, 169.254.169.254 } icmp type 8 limit rate 100/second burst 100 packets accept
		counter drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		iifname vmap { "ta1a1a1a1000" : goto sv_ta1a1a1a1000, "tb2b2b2b2000" : goto sv_tb2b2b2b2000 }
		counter drop
	}
	chain output {
		type filter hook output priority filter; policy accept;
		oifname { "tc3c3c3c3000" } counter drop
	}
}
table arp jinyun {
	chain as_ta1a1a1a1000 {
		ether saddr != fa:16:3e:00:00:11 counter log group 2 prefix "spoof-arp " drop
		arp saddr ether != fa:16:3e:00:00:11 counter log group 2 prefix "spoof-arp " drop
		arp saddr ip { 0.0.0.0, 10.0.0.11 } accept
		counter log group 2 prefix "spoof-arp " drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname vmap { "ta1a1a1a1000" : goto as_ta1a1a1a1000, "tb2b2b2b2000" : accept, "r33333333ccc" : accept }
		counter drop
	}
}
"#;

/// The router's.
pub const ROUTER: &str = r#"flush ruleset
table inet jinyun {
	chain from_n11111111aaa {
		ip saddr { 10.0.0.0/24 } accept
		counter log group 2 prefix "spoof-net " drop
	}
	chain to_n11111111aaa {
		ip daddr { 10.0.0.0/24 } accept
		counter drop
	}
	chain from_n22222222bbb {
		ip saddr { 10.1.0.0/24 } accept
		counter log group 2 prefix "spoof-net " drop
	}
	chain to_n22222222bbb {
		ip daddr { 10.1.0.0/24 } accept
		counter drop
	}
	chain from_networks {
		type filter hook prerouting priority raw; policy drop;
		iifname vmap { "lo" : accept, "n11111111aaa" : goto from_n11111111aaa, "n22222222bbb" : goto from_n22222222bbb }
		counter log group 2 prefix "spoof-dev " drop
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		oifname vmap { "n11111111aaa" : goto to_n11111111aaa, "n22222222bbb" : goto to_n22222222bbb }
		counter drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		counter drop
	}
}
table arp jinyun {
	chain input {
		type filter hook input priority filter; policy drop;
		counter drop
	}
}
"#;
