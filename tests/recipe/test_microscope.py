"""What is known of a microscope: its kind, and the figures that this kind has."""

import pytest

from napari_psf_distiller import InputError, Optics, Recipe
from napari_psf_distiller.cli.options import with_options
from napari_psf_distiller.cli.parser import argument_parser

ONE_PHOTON = {"wavelength": 0.52, "excitation": 0.488}
TWO_PHOTON = {"wavelength": 0.52, "excitation": 0.92, "microscope": "two-photon"}


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("widefield", ("numerical_aperture", "wavelength", "refractive_index")),
        ("light sheet", ("numerical_aperture", "wavelength", "refractive_index")),
        ("confocal", ("numerical_aperture", "wavelength", "refractive_index", "excitation")),
        ("spinning disk", ("numerical_aperture", "wavelength", "refractive_index", "excitation")),
        ("two-photon", ("numerical_aperture", "refractive_index", "excitation")),
        ("three-photon", ("numerical_aperture", "refractive_index", "excitation")),
        ("STED", ()),
        ("other", ()),
    ],
)
def test_what_a_kind_needs(kind, missing):
    assert Optics(microscope=kind).missing == missing


def test_figures_come_first_and_the_kind_by_its_name():
    optics = Optics(1.3, 0.52, 1.515, microscope="confocal", excitation=0.488)
    assert (optics.numerical_aperture, optics.wavelength, optics.refractive_index) == (
        1.3,
        0.52,
        1.515,
    )
    assert optics.missing == ()


def test_a_recipe_of_before_there_were_kinds():
    old = {"numerical_aperture": 1.2, "wavelength": 0.52, "refractive_index": 1.33}
    assert Optics.from_dict(old) == Optics(1.2, 0.52, 1.33, microscope="widefield")


def test_a_kind_with_its_figures_is_read_again():
    optics = Optics(1.3, 0.52, 1.515, microscope="spinning disk", excitation=0.488, pinhole=1.2)
    recipe = Recipe(optics=optics)
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"microscope": "wide-field"}, r"Optics\.microscope is 'wide-field'; it should be"),
        ({"support": "beads"}, r"Optics\.support is 'beads'; it should be 'microscope', 'auto' or"),
        ({"excitation": 0.488}, r"'widefield', which has none: choose 'confocal' or 'spinning"),
        ({"refractive_index": 0.9}, r"The refractive index is 0\.9, but .* from 1 to 4\.$"),
        ({"microscope": "STED", "pinhole": 1.0}, r"The pinhole is 1, .*'STED', which has none"),
        ({"microscope": "confocal", "sheet": 1.0}, r"choose 'light sheet', or leave it out"),
        ({"microscope": "confocal", "pinhole": 0.0}, r"Optics\.pinhole is 0\.0; .*greater than 0"),
        ({"microscope": "confocal", "pinhole": -1.0}, r"Optics\.pinhole is -1"),
        (
            {"microscope": "confocal", "pinhole": 150.0},
            r"a pinhole is from .* 50 Airy units; is it",
        ),
        ({"microscope": "confocal", "excitation": 488.0}, r"488 nm is 0\.488\.$"),
        ({"microscope": "light sheet", "sheet": 0.0}, r"Optics\.sheet is 0\.0; .*greater than 0"),
        ({"microscope": "light sheet", "sheet": 2000.0}, r"width is from .*; 2000 nm is 2\.$"),
        (
            {"microscope": "confocal", "wavelength": 0.488, "excitation": 0.52},
            r"one photon cannot make another of more energy.*Was one taken for the other\?$",
        ),
        (TWO_PHOTON | {"excitation": 0.488}, r"longer than the emission and shorter than 2 times"),
        (TWO_PHOTON | {"excitation": 1.1}, r"longer than the emission and shorter than 2 times"),
        (TWO_PHOTON | {"excitation": 1.6, "microscope": "three-photon"}, r"shorter than 3 times"),
    ],
)
def test_what_cannot_be(figures, words):
    with pytest.raises(InputError, match=words):
        Optics(**figures)


@pytest.mark.parametrize(
    "figures",
    [
        ONE_PHOTON | {"microscope": "confocal", "pinhole": 0.3},
        ONE_PHOTON | {"microscope": "spinning disk", "pinhole": 2.0},
        {"microscope": "confocal", "wavelength": 0.52, "excitation": 0.52},
        TWO_PHOTON,
        TWO_PHOTON | {"excitation": 1.3, "microscope": "three-photon"},
        {"microscope": "light sheet", "sheet": 0.4},
    ],
)
def test_what_can_be(figures):
    assert Optics(**figures).to_dict() | figures == Optics(**figures).to_dict()


def test_another_kind_on_the_command_line_drops_what_it_has_not():
    confocal = Optics(1.3, 0.52, 1.515, microscope="confocal", excitation=0.488, pinhole=1.0)
    line = ["distill", "beads.tif", "-o", "out", "--microscope"]
    wide = argument_parser().parse_args([*line, "widefield"])
    assert with_options(Recipe(optics=confocal), wide).optics == Optics(1.3, 0.52, 1.515)
    disk = argument_parser().parse_args([*line, "spinning disk", "--pinhole", "2"])
    assert with_options(Recipe(optics=confocal), disk).optics == Optics(
        1.3, 0.52, 1.515, microscope="spinning disk", excitation=0.488, pinhole=2.0
    )


def test_what_the_kind_has_not_is_refused_on_the_command_line():
    line = ["distill", "beads.tif", "-o", "out", "--pinhole", "1"]
    with pytest.raises(InputError, match="'widefield', which has none"):
        with_options(Recipe(), argument_parser().parse_args(line))
