"""The user's guide is whole: its pictures are there, and it explains all that the plugin shows."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
GUIDE = REPOSITORY / "docs" / "guide.md"
PACKAGE = REPOSITORY / "src" / "napari_psf_distiller"

pytestmark = pytest.mark.skipif(not GUIDE.exists(), reason="an sdist has no documents")

# The chapter of the guide for each step, and where its widget is made.
WIDGETS = {
    "At the top of the guide": ("guide.head", "asked_once"),
    "Preprocess beads (stepwise only)": ("preprocess", "preprocess_beads"),
    "Threshold (stepwise only)": ("threshold.widget", "threshold"),
    "Find beads": ("beads.widget", "find_beads"),
    "Distil PSF": ("distil.widget", "distil_psf"),
    "Distil several images": ("batch.widget", "distil_images"),
    "Post-process PSF": ("postprocess", "postprocess_psf"),
    "Deconvolve": ("deconvolve", "deconvolve"),
    "Deconvolve data set": ("dataset.widget", "deconvolve_dataset"),
    "Inspect PSF": ("inspect.widget", "inspect_psf"),
    "Prove PSF": ("prove.widget", "prove_psf"),
}

# Where warnings are made: the functions of a module, or all that it passes to a function.
WARNINGS = {
    "advice.py": (
        "deconvolve_warnings",
        "psf_warnings",
        "bead_warnings",
    ),
    "joint/advice/fit.py": (
        "_optics_warnings",
        "_undersampling_warnings",
        "_width_warnings",
        "_second_peak_warnings",
        "_diameter_warnings",
        "_depth_warnings",
        "_saturation_warnings",
        "_convergence_warnings",
        "_chi_squared_warnings",
    ),
    "joint/advice/contradiction.py": (
        "_smaller_beads_warnings",
        "narrower_warnings",
        "support_warnings",
        "wider_warnings",
    ),
    "joint/advice/field.py": ("field_warnings",),
    "joint/advice/held_out.py": ("held_out_warnings",),
    "joint/advice/light.py": ("light_warnings",),
    "joint/advice/misfit.py": (
        "_common_warnings",
        "_place_warnings",
        "_brightness_warnings",
        "_refused_warnings",
        "spacing_warnings",
    ),
    "joint/stacks/advice.py": ("left_out_text", "repeated_text", "unsure_text"),
    "deconvolution/deconvolve.py": ("_assumptions",),
    "deconvolution/tiled.py": ("_tell",),
    "deconvolution/datasets/iterations.py": ("append",),
    "export/registry.py": ("warn",),
    "joint/advice/image.py": ("history_warnings",),
    "deconvolution/stopping.py": ("enough_iterations", "_enough_for"),
    "io/tiff_images.py": ("append",),
    "io/voxel_sizes.py": ("append",),
    "io/psf_record.py": ("spacing_now",),
    "io/microscope_files.py": ("append", "_read_vendor_file"),
    "batch/files.py": ("_with_microscope",),
    "cli/bead_stacks.py": ("append",),
    "cli/microscope.py": ("warn",),
    "widgets/distil/widget.py": ("richardson_lucy_steps",),
    "widgets/guide/guide.py": ("show_warning",),
    "widgets/guide/parameters.py": ("show_warning",),
    "widgets/layers/agreement.py": ("not_raw", "found_elsewhere"),
    "widgets/prove/run.py": ("_mismatches",),
}

# What of a warning differs from time to time; the guide writes three dots for it.
OPEN = "\N{HORIZONTAL ELLIPSIS}"


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def chapter(title: str) -> str:
    """What stands below a heading of the guide, up to the next one of its level."""
    (begin,) = re.finditer(rf"^(#+) {re.escape(title)}$", text_of(GUIDE), re.MULTILINE)
    rest = text_of(GUIDE)[begin.end() :]
    end = re.search(rf"^#{{1,{len(begin[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_cells(text: str) -> list[str]:
    return [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md"])
def test_pictures_and_files_that_are_linked_exist(name):
    page = REPOSITORY / name
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page))
    assert links
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_headings_that_are_linked_exist():
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in text_of(GUIDE).splitlines()
        if line.startswith("#")
    }
    linked = set(re.findall(r"\]\(#([^)]+)\)", text_of(GUIDE)))
    assert linked
    assert linked - headings == set()


def test_pictures_are_small_and_used():
    shown = text_of(GUIDE) + text_of(REPOSITORY / "README.md")
    taken = re.findall(r"images/(\w+\.png)", shown)
    assert "overview.png" in taken
    for name in taken:
        assert (REPOSITORY / "docs" / "images" / name).stat().st_size < 250_000


def test_the_readme_begins_with_a_picture_of_the_guide():
    first = re.search(r"!\[.*\]\(docs/(images/\w+\.png)\)", text_of(REPOSITORY / "README.md"))
    assert first is not None
    assert first[1] in text_of(GUIDE)


@pytest.mark.parametrize("title", WIDGETS)
def test_each_parameter_is_explained(title):
    pytest.importorskip("napari")
    module, name = WIDGETS[title]
    factory = getattr(import_module(f"napari_psf_distiller.widgets.{module}"), name)
    made = factory.keywords
    explained = first_cells(chapter(title))
    parameters = [name for name in made["function"].__annotations__ if name != "return"]
    assert len(parameters) > 1
    for parameter in parameters:
        options = made["param_options"].get(parameter, {})
        label = options.get("text") or options.get("label") or parameter.replace("_", " ")
        if parameter != "viewer":
            assert label in explained, f"{title} does not explain {label!r}"
    # Nor does it explain what is gone.
    assert len(explained) <= len(parameters) + 2


@pytest.mark.parametrize("module", WARNINGS)
def test_each_warning_is_explained(module):
    found = warnings_of(module)
    assert found
    for warning in found:
        assert any(begins_so(warning, cell) for cell in explained_warnings()), warning


def test_no_warning_is_explained_that_is_not_given():
    found = [warning for module in WARNINGS for warning in warnings_of(module)]
    for cell in explained_warnings():
        assert any(begins_so(warning, cell) for warning in found), cell


def test_each_reason_is_explained():
    from napari_psf_distiller.beads import REASONS

    explained = chapter("4. Look at the beads")
    assert [reason for reason in REASONS if f"`{reason}`" not in explained] == []


def explained_warnings() -> list[str]:
    cells = first_cells(chapter("What each warning asks for"))
    return [cell for cell in cells if cell not in ("warning", "---")]


def begins_so(warning: str, cell: str) -> bool:
    """Whether a warning begins with what the guide explains."""
    pattern = ".*?".join(re.escape(part) for part in cell.split("..."))
    return re.match(pattern, warning) is not None


def warnings_of(module: str) -> list[str]:
    """The sentences of a module's warnings."""
    names = WARNINGS[module]
    tree = ast.parse(text_of(PACKAGE / module))
    parts = [node for node in ast.walk(tree) if called(node) in names]
    texts = [text for part in parts for text in strings(part)]
    return [text.removeprefix(f"{OPEN}: ") for text in texts if re.search(r"\.( |$)", text)]


def called(node: ast.AST) -> str:
    """The name of the function that is made or called here, if one is."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Call):
        return str(getattr(node.func, "attr", getattr(node.func, "id", "")))
    return ""


def strings(part: ast.AST) -> list[str]:
    """All strings in a piece of code but its docstring."""
    if isinstance(part, ast.JoinedStr):
        pieces = [v.value if isinstance(v, ast.Constant) else OPEN for v in part.values]
        return ["".join(map(str, pieces))]
    if isinstance(part, ast.Constant):
        return [part.value] if isinstance(part.value, str) else []
    children = list(ast.iter_child_nodes(part))
    if isinstance(part, ast.FunctionDef) and ast.get_docstring(part):
        children = [child for child in children if child is not part.body[0]]
    return [text for child in children for text in strings(child)]
