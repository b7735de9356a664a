#!/bin/sh
# What udhcpc runs for each event of a lease; the lease comes in variables.
. /etc/jy.sh
state=/run/nic/$interface
index=$(cat "/sys/class/net/$interface/ifindex")

# route DEST [via GATEWAY]: earlier cards win (metric). A further card also gets a table of its own for
# what is sent from its address, else the answers would leave through eth0 and count as spoofed.
route() {
  ip route replace "$@" dev "$interface" metric "$index"
  [ "$interface" = eth0 ] || ip route replace "$@" dev "$interface" table $((100 + index))
}

case $1 in
deconfig)
  rm -f "$state/lease" "$state/resolv"
  ip addr flush dev "$interface"
  ip link set "$interface" up
  exit
  ;;
bound | renew) ;;
*) exit ;;
esac

[ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
if ! ip -o addr show dev "$interface" | grep -q " $ip/$mask "; then
  ip addr flush dev "$interface"
  ip addr add "$ip/$mask" dev "$interface"
fi
if [ "$interface" != eth0 ]; then
  ip rule del from "$ip" table $((100 + index)) 2>/dev/null
  ip rule add from "$ip" table $((100 + index))
  eval "$(ipcalc -n "$ip/$mask")"
  ip route replace "$NETWORK/$mask" dev "$interface" table $((100 + index))
fi

# Classless routes, where there are any, replace the router option (RFC 3442).
shown=
if [ -n "$staticroutes" ]; then
  gateway=$router
  set -- $staticroutes
  while [ $# -ge 2 ]; do
    case $2 in
    0.0.0.0) route "$1" ;;
    *) route "$1" via "$2" onlink ;;
    esac
    shown="$shown $1>$2"
    shift 2
  done
else
  for gateway in $router; do
    route 0.0.0.0/0 via "$gateway" onlink
    shown=" 0.0.0.0/0>$gateway"
    break
  done
fi

for server in $dns; do echo "nameserver $server"; done >"$state/resolv"
[ -z "$domain" ] || echo "search $domain" >>"$state/resolv"
cat /run/nic/*/resolv >/etc/resolv.conf

[ -z "$hostname" ] || [ -e /run/meta/named ] || set_host "$hostname"
[ -e "$state/lease" ] || say net "$interface" "$ip/$mask" "mtu=$(cat "/sys/class/net/$interface/mtu")" \
  "host=${hostname:--}" "dns=$(echo $dns | tr ' ' ,)" "routes=$(echo $shown | tr ' ' ,)"
: >"$state/lease"
