#!/usr/bin/env bash
# Run every check in environments of its own: style, types and the tests, the latter on a virtual
# screen and with an OpenCL device. Arguments go to tox ("-e py -- -k recipe").
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
. "$repository/tools/system-packages.sh"

venv=$repository/.venv-test
make_venv "$venv"
# A mouse, a keyboard, and what gives a window its keys, too.
screen=(xvfb xauth xdotool openbox)
opencl=(ocl-icd-libopencl1 pocl-opencl-icd)
install_packages "${screen[@]}" "${QT_PACKAGES[@]}" "${opencl[@]}"
[ -x "$venv/bin/tox" ] || "$venv/bin/pip" install --quiet 'tox>=4.20'

# A test that misses the device fails; 0 lets it skip.
export PSF_DISTILLER_REQUIRE_OPENCL="${PSF_DISTILLER_REQUIRE_OPENCL:-1}"
exec "$venv/bin/tox" run --root "$repository" --conf "$repository/tox.ini" "$@"
