#!/usr/bin/env bash
# Install the plugin into .venv and run its demonstration; needs no screen and no OpenCL driver.
# Arguments go to "psf-distiller demo".
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/system-packages.sh"

venv=$repository/.venv
make_venv "$venv"
install_editable "$venv" "$repository"
exec "$venv/bin/psf-distiller" demo --overwrite "$@"
