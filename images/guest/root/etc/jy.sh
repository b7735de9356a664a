# Shared by the guest's scripts.

# say STEP ...: one line on the console, with the uptime at its end.
say() {
  read -r up _ </proc/uptime
  echo "JY $* $up" >/dev/console
}

# set_host NAME: the host's name, which is also what port 80 answers.
set_host() {
  hostname "$1" && echo "$1" >/run/www/index.html
}
