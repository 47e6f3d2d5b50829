#!/usr/bin/env bash
# Install the plugin into .venv and run its demonstration; needs no screen and no OpenCL driver.
# Arguments go to "psf-distiller demo".
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/system-packages.sh"

venv=$repository/.venv
make_venv "$venv"
# Editable, so that only a change to the project's description calls for another installation.
if [ ! "$venv/installed" -nt "$repository/pyproject.toml" ]; then
    echo "Installing into $venv"
    "$venv/bin/pip" install --quiet --editable "$repository"
    touch "$venv/installed"
fi
exec "$venv/bin/psf-distiller" demo "$@"
