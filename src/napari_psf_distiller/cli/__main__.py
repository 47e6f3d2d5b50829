"""`python -m napari_psf_distiller.cli`."""

import sys

from napari_psf_distiller.cli.main import main

sys.exit(main())
