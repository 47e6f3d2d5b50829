"""The report holds what a reader needs, and needs nothing itself."""

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pytest

from napari_psf_distiller import Distill, InputError, Optics, Recipe, simulate_beads
from napari_psf_distiller.pipeline import distill_steps_of
from napari_psf_distiller.progress import finish
from napari_psf_distiller.report import write_report


class Page(HTMLParser):
    """Text, references and balance of a page."""

    VOID = ("meta", "img", "br", "hr", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.references, self.tags = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
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
    recipe = Recipe(
        spacing=field.spacing,
        device="numpy",
        bead_diameter=0.123,
        optics=Optics(wavelength=0.519),
        distill=Distill(iterations=7),
    )
    return finish(distill_steps_of(field.image, recipe))


def page_of(path, image, result, **options):
    write_report(path, image, result, **options)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(field, result, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report") / "report.html", field.image, result)


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave the drawings out where only the text counts: they take most of the time."""
    for name in ("projections", "profiles", "beads", "likelihood"):
        monkeypatch.setattr(f"napari_psf_distiller.figures.draw_{name}", lambda *_, **__: None)


def test_it_is_one_whole_page_that_loads_and_runs_nothing(page):
    assert page.open == []
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


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
    del recipe["provenance"]
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
def test_titles_are_text_and_not_markup(field, result, tmp_path):
    page = page_of(tmp_path / "r.html", field.image, result, title='<b>"5 & 6"</b>')
    assert page.words.count('<b>"5 & 6"</b>') == 2


def test_a_2d_image_has_a_report(tmp_path):
    field = simulate_beads((96, 96), (0.08, 0.08), beads=6, seed=2)
    recipe = Recipe(spacing=field.spacing, device="numpy", distill=Distill(iterations=3))
    result = finish(distill_steps_of(field.image, recipe))
    page = page_of(tmp_path / "r.html", field.image, result)
    assert "FWHM y" in page.words
    assert "FWHM z" not in page.words


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
    assert path.stat().st_size < 2e6


@pytest.mark.usefixtures("without_pictures")
def test_a_folder_that_does_not_exist_is_an_error(field, result, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "no" / "report.html", field.image, result)
