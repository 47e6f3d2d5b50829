"""Build the site: ``tox -e docs``, which needs no network.

The pages are the markdown files that are read in the repository too, the examples that are run, and
the docstrings of the public names.
"""

import os
import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ConfigError

import napari_psf_distiller as psfd
from napari_psf_distiller.recipe import PLACES
from napari_psf_distiller.recipe.parameter import Declared, declared

DOCS = Path(__file__).parent
REPOSITORY = DOCS.parent

# What lies outside this folder, by the page that shows it; the page's own file only links to it.
ELSEWHERE = {
    "readme": "README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "benchmarks": "benchmarks/README.md",
}

project = "napari-psf-distiller"
author = "the napari-psf-distiller developers"
project_copyright = author
version = release = version_of(project)

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["examples", "images", "templates", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["templates"]
default_role = "py:obj"

myst_enable_extensions = ["dollarmath"]
# Of headings GitHub makes the same anchors.
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    # Of each part of an example only what it prints and draws.
    "capture_repr": (),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_math_renderer = "mathml"
# Pages that have none below them need no list of these.
html_sidebars: dict[str, list[str]] = {
    page: [] for page in ("guide", "programs", "method", "results", "glossary", "index", *ELSEWHERE)
}


def check_names(app: Sphinx) -> None:
    """See that all public names have a page, and nothing else has one."""
    listed = re.findall(r"^   (\w+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), re.MULTILINE)
    if sorted(listed) != sorted(psfd.__all__):
        differ = ", ".join(sorted(set(listed) ^ set(psfd.__all__))) or "a name stands twice"
        raise ConfigError(f"docs/api.rst does not list the public names: {differ}.")


def read_elsewhere(app: Sphinx, page: str, source: list[str]) -> None:
    """Show files from outside this folder, and let their links and the others' meet."""
    origin = DOCS / f"{page}.md"
    if page in ELSEWHERE:
        origin = REPOSITORY / ELSEWHERE[page]
        app.env.note_dependency(str(origin), docname=page)
        source[0] = origin.read_text(encoding="utf-8")
    if not origin.exists():
        return  # not markdown
    pages = {REPOSITORY / path: DOCS / f"{name}.md" for name, path in ELSEWHERE.items()}
    pages[DOCS / "examples"] = DOCS / "gallery" / "index.rst"

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups()
        if re.match(r"\w+:|$", target):
            return found[0]
        path = Path(os.path.normpath(origin.parent / target))
        path = pages.get(path, path)
        if not path.is_relative_to(DOCS):
            # The site has no such page.
            return text
        return f"[{text}]({path.relative_to(DOCS).as_posix()}{anchor})"

    source[0] = re.sub(r"\[([^][]*)\]\(([^)\s#]*)([^)\s]*)\)", link, source[0])


TABLE_HEAD = (
    "| in a recipe | in napari | command line | default | |",
    "| --- | --- | --- | --- | --- |",
)


def write_parameters(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the tables of all declared parameters into their page."""
    if page != "parameters":
        return
    for section, place in PLACES.items():
        rows = [row_of(one, f"{place}.{one.field}".lstrip(".")) for one in declared(section)]
        if rows:
            source[0] += "\n".join([f"\n## {section.__name__}\n", *TABLE_HEAD, *rows, ""])


def row_of(one: Declared, place: str) -> str:
    """Return a parameter's row."""
    parameter, default = one.parameter, one.default
    if default is None:
        default = parameter.unset
    option = f"`{parameter.option.name}`" if parameter.option is not None else ""
    label = one.label if parameter.in_viewer else ""
    return f"| `{place}` | {label} | {option} | {default} | {parameter.tooltip} |"


def inline_formula(translator: Any, node: nodes.math) -> None:
    """Write a formula in a line as MathML, which browsers draw by themselves."""
    translator.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def displayed_formula(translator: Any, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    formula = latex2mathml.converter.convert(node.astext(), display="block")
    translator.body.append(f'<div style="margin: 1rem 0">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Tell Sphinx of what is special here."""
    app.connect("builder-inited", check_names)
    app.connect("source-read", read_elsewhere)
    app.connect("source-read", write_parameters)
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
