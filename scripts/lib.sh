# Shared by the scripts in this folder: `. "$(dirname "$0")/lib.sh"`. Not run by itself.
# POSIX sh; works on a fresh Debian with a Swift 6.3 toolchain and root or sudo.

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
server=${SKEIN_SERVER:-$root/.build/release/skein-server}
simulator=${SKEIN_SIM:-$root/.build/release/skein-sim}

# say WORD...: a line of this script's own; fail WORD...: the same, and the end.
say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# print_help: the comment at the top of the script, when its first argument asks for it.
print_help() {
    case "${1:-}" in -h | --help)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit 0 ;;
    esac
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# need PATH-OR-COMMAND PACKAGE ...: installs the Debian packages whose file or command is missing.
need() {
    missing=
    while [ $# -gt 0 ]; do
        case "$1" in
            /*) [ -e "$1" ] || missing="$missing $2" ;;
            *) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
        esac
        shift 2
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "please install$missing (no apt-get here)"
    say "installing$missing"
    # Debian starts the redis service when it installs it; its port 6379 is none of our business.
    guard=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        guard=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod +x /usr/sbin/policy-rc.d
    fi
    installed=0
    { as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null; } || installed=1
    [ -z "$guard" ] || as_root rm -f /usr/sbin/policy-rc.d
    [ "$installed" = 0 ] || fail "apt-get could not install$missing"
}

need_to_build() {
    command -v swift >/dev/null 2>&1 || fail "no swift here: install Swift 6.3 from https://swift.org/install/linux"
    need /usr/include/uv.h libuv1-dev /usr/include/lz4.h liblz4-dev
}
need_redis_cli() { need redis-cli redis-tools; }
need_redis_server() { need redis-server redis-server redis-cli redis-tools; }
need_python() { need python3 python3; }

# tell_commit: puts what is checked out, with -dirty behind it when files differ, where the build finds it.
tell_commit() {
    SKEIN_COMMIT=${SKEIN_COMMIT:-$(git -C "$root" describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || true)}
    export SKEIN_COMMIT=${SKEIN_COMMIT:-unknown}
}

# build_release: the programs, optimised, with the Swift runtime inside.
build_release() {
    need_to_build
    tell_commit
    for product in skein-server skein skein-sim skein-torture; do
        swift build --package-path "$root" -c release --static-swift-stdlib --product "$product" "$@"
    done
}

# need_server: builds when there is no binary yet; an explicit SKEIN_SERVER must exist.
need_server() {
    [ -x "$server" ] && return 0
    [ -z "${SKEIN_SERVER:-}" ] || fail "SKEIN_SERVER=$server is not there"
    say "no server binary yet: building it (some minutes the first time)"
    build_release
}
