"""OME-TIFF files that say something of the microscope."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

OBJECTIVE = '<Objective ID="Objective:0" LensNA="1.4" Immersion="Oil" Model="Plan-Apo 63x"/>'
SETTINGS = '<ObjectiveSettings ID="Objective:0" RefractiveIndex="1.518"/>'
CONFOCAL = (
    'Name="GFP" AcquisitionMode="LaserScanningConfocalMicroscopy" EmissionWavelength="520" '
    'ExcitationWavelength="488"'
)


def write_ome(
    path: Path,
    image: NDArray[Any],
    channels: Sequence[str] = (CONFOCAL,),
    *,
    instrument: str = OBJECTIVE,
    settings: str = SETTINGS,
    spacing: Sequence[float] | None = None,
) -> Path:
    """Write an OME-TIFF.

    Parameters
    ----------
    path : Path
    image : numpy.ndarray
        uint8 or uint16, (Z, Y, X), with as many planes a channel as there are channels.
    channels : sequence of str
        The XML attributes of each.
    instrument, settings : str
        The XML of the instrument's parts, and of the image's settings.
    spacing : sequence of float, optional
        Voxel size along z, y and x in micrometres.
    """
    listed = "".join(
        f'<Channel ID="Channel:0:{n}" SamplesPerPixel="1" {attributes}/>'
        for n, attributes in enumerate(channels)
    )
    sizes = zip("ZYX", spacing or (), strict=False)
    physical = " ".join(f'PhysicalSize{axis}="{size}"' for axis, size in sizes)
    planes, height, width = image.shape
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Instrument ID="Instrument:0">{instrument}</Instrument>'
        f'<Image ID="Image:0">{settings}<Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="{image.dtype}" SizeX="{width}" SizeY="{height}" SizeZ="{planes // len(channels)}" '
        f'SizeC="{len(channels)}" SizeT="1" {physical}>'
        f"{listed}<TiffData/></Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(path) as tiff:
        for number, plane in enumerate(image):
            text = xml.encode() if number == 0 else None
            tiff.write(plane, photometric="minisblack", metadata=None, description=text)
    return path
