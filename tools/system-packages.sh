# Sourced by the scripts beside it: what they need from the system, on Debian and its relatives.
# shellcheck shell=bash

PYTHON=${PYTHON:-python3}

# What Qt and the viewer need besides their wheels.
QT_PACKAGES=(
    libdbus-1-3 libegl1 libfontconfig1 libgl1 libgl1-mesa-dri libglib2.0-0 libxcb-cursor0
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
    libxcb-xinerama0 libxkbcommon-x11-0
)

# Install the named Debian packages that are missing; where that cannot be done, say so and go on.
install_packages() {
    local missing=("$@") present package root=()
    if command -v dpkg-query >/dev/null; then
        # One name a line: every installed package and what it provides under another name.
        present=$(dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' |
            sed -n 's/^installed //p' | tr -s ', ' '\n')
        missing=()
        for package in "$@"; do
            grep -qxF -e "$package" <<<"$present" || missing+=("$package")
        done
    fi
    [ ${#missing[@]} -gt 0 ] || return 0

    [ "$(id -u)" -eq 0 ] || root=(sudo -n)
    if ! command -v apt-get >/dev/null || ! "${root[@]}" apt-get update -q ||
        ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}"; then
        echo "$0: going on without; as root, run: apt-get install ${missing[*]}" >&2
    fi
}

# Make the virtual environment $1 unless it is there.
make_venv() {
    [ ! -x "$1/bin/pip" ] || return 0
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$0: needs Python 3.11 or newer; set PYTHON to choose one" >&2
        exit 1
    }
    # Debian keeps a part of this in a package of its own.
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    "$PYTHON" -m venv --clear "$1"
}

# Install the project at $2 into the virtual environment $1, with the extra $3 if there is one.
# Editable, so that only a change to the project's description calls for another installation.
install_editable() {
    local stamp=$1/installed${3:+-$3}
    [ ! "$stamp" -nt "$2/pyproject.toml" ] || return 0
    echo "Installing into $1"
    "$1/bin/pip" install --quiet --editable "$2${3:+[$3]}"
    touch "$stamp"
}
