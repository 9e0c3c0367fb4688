#!/bin/sh
# Set-up shared by `make run` and `make test`: safe to repeat, and never fatal for what the exporter can do without.
set -eu
cd "$(dirname "$0")"

PYTHON=${PYTHON:-python3}
# prometheus: promtool and the end-to-end test. victoria-metrics: a second opinion on scrape configurations and queries.
# prometheus-alertmanager: amtool, and a live one. jsonnet: a second opinion on the mixin.
# iproute2, iptables, nftables, iputils-ping, procps: namespaces in tests, and packets lost on purpose.
# curl, openssl, zsh: a client, certificates and a shell for tests.
# clang, llvm, libbpf-dev: compile bpf/; libbpf1 loads it; bpftool: a second opinion on what is loaded; clang-format: lint.
# python3-bpfcc: its compiler tells types of kernels without BTF; 4 MB beside clang.
# ethtool, ipvsadm: devices and virtual servers in tests, as an operator would set them.
# qemu-system-x86, busybox-static, kmod, zstd: other kernels to test in; virtiofsd: their files.
PACKAGES="prometheus prometheus-alertmanager victoria-metrics jsonnet iproute2 iptables nftables iputils-ping procps clang llvm libbpf-dev libbpf1 bpftool clang-format python3-bpfcc ethtool ipvsadm qemu-system-x86 busybox-static kmod zstd curl openssl zsh"
case $(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") in
bullseye | bookworm | jammy) ;; # a part of QEMU there
*) PACKAGES="$PACKAGES virtiofsd" ;;
esac

missing=""
for package in $PACKAGES; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing$missing"
        apt-get update -qq || echo "setup: apt-get update failed, trying with the lists at hand"
        for package in $missing; do
            # Debian starts a Prometheus of its own on installation; a test machine does not need it.
            DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
                echo "setup: $package could not be installed; what needs it will be skipped and say so"
        done
    else
        echo "setup: not root, so these packages stay missing (what needs them will be skipped):$missing"
    fi
fi

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "setup: installing python3-venv"
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        else
            echo "setup: $PYTHON cannot create a virtual environment; install python3-venv" >&2
            exit 1
        fi
    fi
    echo "setup: creating .venv"
    rm -rf .venv
    "$PYTHON" -m venv .venv
fi
echo "setup: installing Python packages"
.venv/bin/python -m pip install --quiet --disable-pip-version-check "pip==25.3"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
