#!/usr/bin/env bash
# Install the plugin with napari and Qt into .venv, and open the viewer with a simulated bead field
# and the plugin's first widget; needs a screen.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/system-packages.sh"

venv=$repository/.venv
make_venv "$venv"
install_packages "${QT_PACKAGES[@]}"
install_editable "$venv" "$repository" all
exec "$venv/bin/python" -m napari_psf_distiller.widgets
