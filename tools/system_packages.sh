#!/usr/bin/env bash
# Install the Debian packages that the tests drive and that this machine lacks, with their services kept off.
# Where nothing is missing it does nothing and needs no network.
set -euo pipefail

# command -> packages that bring it (fonts: without them Chromium draws empty boxes)
declare -Ar packages_of=(
    [brotli]="brotli"
    [chromium]="chromium fonts-liberation"
    [chromium-headless-shell]="chromium-headless-shell fonts-liberation"
    [nginx]="nginx"
    [promtool]="prometheus"
    [redis-sentinel]="redis-sentinel"
    [redis-server]="redis-server"
    [systemd-analyze]="systemd"
)
readonly policy=/usr/sbin/policy-rc.d
PATH=$PATH:/usr/sbin:/sbin

missing=()
for command in "${!packages_of[@]}"; do
    command -v "$command" >/dev/null || missing+=("${packages_of[$command]}")
done
((${#missing[@]})) || exit 0

read -ra wanted <<<"${missing[*]}"
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "The tests need programs that this machine lacks. As root on Debian or Ubuntu:" >&2
    echo "    apt-get install --no-install-recommends ${wanted[*]}" >&2
    exit 1
fi
echo "Installing for the tests, with their services kept off: ${wanted[*]}"

# Only services that come just now are kept off: what ran on this machine before goes on.
new_services=()
for service in nginx prometheus redis-sentinel redis-server; do
    [[ " ${wanted[*]} " != *" $service "* ]] || new_services+=("$service")
done

# Package scripts ask this file whether they may start a service: 101 forbids it.
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --yes --quiet=2 --no-install-recommends "${wanted[@]}"

for service in "${new_services[@]}"; do
    update-rc.d "$service" disable
    if command -v systemctl >/dev/null; then
        systemctl --quiet disable "$service"
    fi
    # An older policy-rc.d may have let it start.
    if [[ -d /run/systemd/system ]]; then
        systemctl --quiet stop "$service"
    fi
done
