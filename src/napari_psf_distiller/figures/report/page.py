"""An HTML page that needs nothing beside it: its style, its pictures and its tables."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from napari_psf_distiller.beads import AXES

__all__ = ["numbers_text", "page_of", "picture", "tables", "value_text"]

DOTS_PER_INCH = 130

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1b1f24;
  background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; border-bottom: 1px solid #d0d7de;
  padding-bottom: 0.2rem; }
h3 { font-size: 1rem; margin: 0 0 0.3rem; }
p { margin: 0.4rem 0; max-width: 46rem; }
.key { display: flex; flex-wrap: wrap; gap: 0.6rem 2.4rem; margin: 1.2rem 0; }
.key div { min-width: 6rem; }
.key dt, .faint, figcaption { color: #57606a; font-size: 0.85rem; }
.key dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.about { margin: 1rem 0; }
.about td { white-space: pre-line; }
.warning { border-left: 5px solid #bf5b00; background: #fff4e5; padding: 0.5rem 0.9rem;
  margin: 0.6rem 0; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0 0 0.8rem; flex: 1 1 24rem; min-width: 0; break-inside: avoid; }
img { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.15rem 0.9rem 0.15rem 0; border-bottom: 1px solid #eaeef2;
  vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; }
.beads { margin: 0.6rem 0; }
.beads th, .beads td { white-space: nowrap; overflow-wrap: normal; padding: 0.1rem 0.35rem; }
.beads thead th { vertical-align: bottom; background: #fff; }
.beads .unit { font-weight: normal; color: #57606a; }
.scroll { max-height: 24rem; overflow: auto; border: 1px solid #d0d7de; padding: 0 0.6rem; }
.scroll thead { position: sticky; top: 0; }
summary { cursor: pointer; }
.unused td { color: #8a4b00; }
.sections { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1.2rem 2rem; }
.sections section { break-inside: avoid; }
@page { size: A4; margin: 14mm 12mm; }
@media print {
  body { font-size: 10pt; margin: 0; padding: 0; max-width: none; }
  h2, h3 { break-after: avoid; }
  .pair figure { flex-basis: 40%; }
  .scroll { max-height: none; overflow: visible; border: 0; padding: 0; }
  .scroll thead { position: static; }
  .beads table { font-size: 7pt; }
  .beads th, .beads td { padding: 0.5pt 2.5pt; }
  tr { break-inside: avoid; }
  summary, h2 + .faint { break-after: avoid; }
  .sections { grid-template-columns: repeat(3, 1fr); gap: 0.8rem 1.2rem; font-size: 9pt; }
  .warning { print-color-adjust: exact; }
}
"""


def page_of(title: str, body: str) -> str:
    """Return a whole page.

    Parameters
    ----------
    title : str
    body : str
        HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def picture(
    size: tuple[float, float], name: str, caption: str, draw: Callable[[Figure], None]
) -> str:
    """Return a drawing as an HTML figure.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    name : str
        Is told in the picture's place where it cannot be seen.
    caption : str
    draw : callable
        Draws into the figure that it is given.
    """
    figure = Figure(figsize=size, facecolor="white")
    draw(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{escape(name)}" width="{round(96 * size[0])}" '
        f'src="data:image/png;base64,{data}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def tables(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return tables of names and values side by side, as HTML.

    Parameters
    ----------
    sections : mapping of str to mapping
        Of each table's heading its rows.
    """
    return f'<div class="sections">{"".join(map(_section, sections.items()))}</div>'


def _section(item: tuple[str, Mapping[str, Any]]) -> str:
    heading, values = item
    rows = "".join(
        f"<tr><th>{escape(_words(name))}</th><td>{value_text(value, name)}</td></tr>"
        for name, value in values.items()
    )
    return f"<section><h3>{escape(_words(heading))}</h3><table>{rows}</table></section>"


def _words(name: str) -> str:
    return name.replace("_", " ")


def value_text(value: Any, name: str = "") -> str:
    """Return a value as escaped text."""
    if value is None:
        return "not set"
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, float):
        # Centres have a fixed number of digits, so that their columns can be compared.
        return f"{value:.2f}" if name in AXES else f"{value:.4g}"
    if isinstance(value, tuple | list):
        return escape(numbers_text(value, ", "))
    return escape(str(value))


def numbers_text(values: Iterable[float] | Sequence[float], between: str) -> str:
    """Return numbers with six digits each."""
    return between.join(f"{value:.6g}" for value in values)
