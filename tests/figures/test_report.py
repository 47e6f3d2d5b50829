"""The report holds what a reader needs, and needs nothing itself."""

import dataclasses
import datetime
from collections import defaultdict
from html.parser import HTMLParser

import numpy as np
import pytest
from varying_psfs import varying_psf

from napari_psf_distiller import Camera, InputError, Optics, Recipe, RichardsonLucy, simulate_beads
from napari_psf_distiller.figures.report import write_report
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import finish
from napari_psf_distiller.wording import width_text


class Page(HTMLParser):
    """Text, references and balance of a page."""

    VOID = ("meta", "img", "br", "hr", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.references, self.tags = [], [], [], []
        self.attributes = defaultdict(list)
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes[tag].append(dict(attrs))
        self.references += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def field():
    return simulate_beads((24, 64, 64), beads=4, seed=1)


@pytest.fixture(scope="module")
def result(field):
    """Of the stepwise way."""
    recipe = dataclasses.replace(
        Recipe.stepwise(),
        spacing=field.spacing,
        device="numpy",
        bead_diameter=0.123,
        optics=Optics(wavelength=0.519),
        distill=RichardsonLucy(iterations=7),
    )
    return finish(distill_steps_of(field.image, recipe))


@pytest.fixture(scope="module")
def joint(field):
    """Of the joint fit, with a bead that is not used."""
    recipe = Recipe(
        spacing=field.spacing,
        device="numpy",
        bead_diameter=0.0987,
        optics=Optics(1.2, 0.52, 1.33),
        camera=Camera(saturation=float(field.image.max())),
    )
    return finish(distill_steps_of(field.image, recipe))


def page_of(path, image, result, **options):
    write_report(path, image, result, **options)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(field, result, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report") / "report.html", field.image, result)


@pytest.fixture(scope="module")
def joint_page(field, joint, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("joint") / "report.html", field.image, joint)


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave the drawings out where only the text counts: they take most of the time."""
    for name in ("projections", "profiles", "beads", "likelihood", "residual"):
        monkeypatch.setattr(f"napari_psf_distiller.figures.draw_{name}", lambda *_, **__: None)


def test_it_is_one_whole_page_that_loads_and_runs_nothing(page):
    assert page.open == []
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_a_psf_that_changes_over_the_field_has_maps(field, joint, tmp_path):
    psf = varying_psf([(lambda y, x: 0.5 * x, 1)], image_shape=field.image.shape[-2:])
    page = page_of(tmp_path / "r.html", field.image, dataclasses.replace(joint, psf=psf))
    assert page.open == []
    assert page.tags.count("img") == 7
    assert "The PSF over the field" in page.text
    assert "Coma: up to" in page.text


def test_it_is_small_enough_to_mail(field, result, tmp_path):
    write_report(tmp_path / "report.html", field.image, result)
    assert (tmp_path / "report.html").stat().st_size < 2e6


def test_it_has_the_five_pictures(page):
    assert page.tags.count("img") == 5


def test_it_gives_the_fwhm_in_nanometres(page, result):
    for width in result.fwhm:
        assert f"{1000 * width:.0f} nm" in page.text


def test_it_shows_every_warning(page, result):
    assert result.warnings
    for warning in result.warnings:
        assert warning in page.text


def test_a_joint_fit_has_a_picture_of_the_residual_too(joint_page):
    assert joint_page.open == []
    assert joint_page.tags.count("img") == 6
    assert "The image less the fitted model, in the plane z = " in joint_page.text
    assert "Residual: " in joint_page.text
    assert " x the noise in the cores of " in joint_page.text
    assert "gained in log-likelihood over its start" in joint_page.text


def test_the_stepwise_page_has_nothing_of_the_joint_fit(page):
    for words in ("±", "chi squared", "fitted model", "over its start", "significance", "judge"):
        assert words not in page.text


def test_it_gives_each_width_with_its_standard_error(joint_page, joint):
    for width, error in zip(joint.fwhm, joint.fwhm_error, strict=True):
        assert width_text(width, error) in joint_page.words
        assert "±" in width_text(width, error)
    assert "within 1.96 of them to each side" in joint_page.text


def test_it_says_how_well_the_beads_are_known(joint_page, joint):
    used = joint.beads[joint.beads["used"]]
    along_z = 1000 * 0.2 * used["z_error"].median()
    assert f"centres {along_z:.2g} nm along z, " in joint_page.text
    assert f"chi squared): median {used['chi_squared'].median():.3g}, from" in joint_page.text
    assert (joint.beads["reason"] == "saturated").sum() == 1
    assert "Not used: 1 saturated." in joint_page.text
    assert "saturated" in joint_page.words
    for name in ("z_error", "amplitude_error", "chi_squared", "reason"):
        assert name in joint_page.words


def test_a_joint_fit_shows_the_parameters_that_it_has(joint_page):
    for name in ("camera", "significance", "window", "angular orders", "judge", "0.0987"):
        assert name in joint_page.words
    # They changed nothing.
    for name in ("preprocess", "threshold", "deconvolve", "iterations", "min voxels", "fft"):
        assert name not in joint_page.words


def test_it_lists_every_bead(page, result):
    assert f"{int(result.beads['used'].sum())} of {len(result.beads)}" in page.text
    for _, bead in result.beads.iterrows():
        assert f"{bead['z']:.2f}" in page.words
        assert f"{bead['amplitude']:.4g}" in page.words


@pytest.mark.usefixtures("without_pictures")
def test_it_gives_the_reason_why_a_bead_is_not_used(field, result, tmp_path):
    beads = result.beads.copy()
    beads.loc[1, ["used", "reason"]] = [False, "too <odd>"]
    changed = dataclasses.replace(result, beads=beads)
    assert "too <odd>" in page_of(tmp_path / "r.html", field.image, changed).words


def test_it_names_every_parameter(page, result):
    recipe = result.recipe.to_dict()
    # But those of the joint fit, which changed nothing.
    del recipe["provenance"], recipe["camera"]
    for part, name in (("find_beads", "significance"), ("distill", "window"), ("distill", "judge")):
        assert name not in recipe[part]
    for name, value in recipe.items():
        assert not isinstance(value, dict) or name.replace("_", " ") in page.words
        for inner in value if isinstance(value, dict) else [name]:
            assert inner.replace("_", " ") in page.words
    assert "0.123" in page.words
    assert "0.519" in page.words
    assert "7" in page.words
    assert "until the noise is fitted" in page.words
    assert "most of what is free" in page.words


def test_it_says_what_it_was_made_with(page, result):
    made = result.recipe.provenance
    for word in (made.image_sha256, made.image_dtype, made.device, *made.versions.values()):
        assert word in page.words
    assert "24 x 64 x 64" in page.words
    for step in result.timings:
        assert step.replace("_", " ") in page.words


@pytest.mark.usefixtures("without_pictures")
def test_it_says_first_what_it_is_of(field, joint, tmp_path):
    told = joint.described(
        image_name="beads <1>.tif", microscope="Lab 63x", note="A. Person,\nnew oil"
    )
    page = page_of(tmp_path / "r.html", field.image, told)
    first = page.text[: page.text.index("FWHM")]
    for words in ("beads <1>.tif", "A. Person,\nnew oil", "0.0987 µm"):
        assert words in first
    assert "Lab 63x: widefield, numerical aperture 1.2, emission 0.52 µm" in first
    made = datetime.datetime.fromisoformat(told.recipe.provenance.time)
    assert f"{made:%Y-%m-%d %H:%M}" in first


@pytest.mark.usefixtures("without_pictures")
def test_what_is_not_known_has_no_line(field, result, tmp_path):
    record = dataclasses.replace(result.recipe.provenance, time="")
    recipe = dataclasses.replace(result.recipe, provenance=record)
    page = page_of(tmp_path / "r.html", field.image, dataclasses.replace(result, recipe=recipe))
    assert "Microscope" in page.words
    assert not {"Note", "Image", "Distilled"} & set(page.words)


def test_columns_of_the_beads_have_units(joint_page):
    units = [word for word in joint_page.words if word in ("voxel", "grey value")]
    assert units == ["voxel"] * 3 + ["grey value"] * 2 + ["voxel"] * 3 + ["grey value"]


def test_the_table_of_few_beads_is_open(joint_page):
    assert joint_page.attributes["details"] == [{"class": "beads", "open": None}]


@pytest.mark.usefixtures("without_pictures")
def test_titles_are_text_and_not_markup(field, result, tmp_path):
    page = page_of(tmp_path / "r.html", field.image, result, title='<b>"5 & 6"</b>')
    assert page.words.count('<b>"5 & 6"</b>') == 2


def test_a_2d_image_has_a_report(tmp_path):
    field = simulate_beads((96, 96), (0.08, 0.08), beads=6, seed=2)
    stepwise = dataclasses.replace(Recipe.stepwise(), distill=RichardsonLucy(iterations=3))
    for base in (stepwise, Recipe()):
        recipe = dataclasses.replace(base, spacing=field.spacing, device="numpy")
        result = finish(distill_steps_of(field.image, recipe))
        page = page_of(tmp_path / "r.html", field.image, result)
        assert "FWHM y" in page.words
        assert "FWHM z" not in page.words
        assert ("The image less the fitted model." in page.text) == (
            recipe.distill.method == "joint"
        )
        assert "in the plane z" not in page.text


@pytest.mark.usefixtures("without_pictures")
def test_a_width_beyond_the_window_is_said_in_words(field, result, tmp_path):
    changed = dataclasses.replace(result, fwhm=(float("nan"), *result.fwhm[1:]))
    page = page_of(tmp_path / "r.html", field.image, changed)
    assert "wider than the window" in page.words
    assert "nan" not in page.text


@pytest.mark.usefixtures("without_pictures")
def test_of_very_many_beads_the_first_are_listed(field, result, tmp_path):
    many = result.beads.loc[np.ones(30000, int)].reset_index(drop=True)
    path = tmp_path / "r.html"
    page = page_of(path, field.image, dataclasses.replace(result, beads=many))
    assert "of 30000 beads" in page.text
    # Folded away, on paper too.
    assert page.attributes["details"] == [{"class": "beads"}]
    assert path.stat().st_size < 2e6


@pytest.mark.usefixtures("without_pictures")
def test_a_folder_that_does_not_exist_is_an_error(field, result, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "no" / "report.html", field.image, result)
