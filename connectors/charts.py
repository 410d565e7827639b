"""A release as an SVG file of bars with error bars. Needs the extra ``charts``: ``pip install 'concordat[charts]'``.

The drawing is pygal's; of its output the scripts are taken away, so that the file shows the same everywhere and
fetches nothing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from connectors.errors import LocalError
from connectors.release_table import Cell, measure_names, rows

MAX_BARS = 200
_MAX_SERIES = 8
_SHORT = 8
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99")
"""Told apart by people who see colours differently too; grey is not among them."""
_TOO_NOISY = "#bbbbbb"
_SVG = "{http://www.w3.org/2000/svg}"


def library() -> Any:
    """Return pygal.

    Raises:
        LocalError: ``charts_not_installed``.
    """
    try:
        return importlib.import_module("pygal")
    except ModuleNotFoundError as error:
        said = "drawing SVG needs pygal: pip install 'concordat[charts]'"
        raise LocalError("charts_not_installed", said) from error
    finally:
        # pygal's finder of maps, of a form that Python warns of at every later import; others stay, as the one that
        # reads distributions' metadata from then on
        sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]


def svg(release: Mapping[str, Any], measure: str | None = None) -> bytes:
    """Return one measure of a release as an SVG document.

    Args:
        release: The release.
        measure: Its name; the first one where None.

    Raises:
        LocalError: ``charts_not_installed``, ``measure_unknown``, or ``too_many_bars``.
    """
    pygal = library()
    names = measure_names(release)
    if measure is not None and measure not in names:
        raise LocalError("measure_unknown", f"the release has no measure {measure}")
    place = names.index(measure) if measure is not None else 0
    table = [(keys, cells[place]) for keys, cells in rows(release)]
    if len(table) > MAX_BARS:
        raise LocalError("too_many_bars", f"a chart has at most {MAX_BARS} bars, the release {len(table)} rows")
    ends = [end for _, cell in table for end in (cell.low, cell.high) if end is not None]
    labels, series = _series(table)
    chart = pygal.Bar(
        title=f"{(release.get('question') or {}).get('dataset', '')}: {names[place]}, with 95% intervals of the noise",
        x_label_rotation=35 if max(map(len, labels), default=0) > _SHORT else 0,
        range=(min(0.0, *ends), max(1.0, *ends)) if ends else None,
        show_legend=len(series) > 1,
        legend_at_bottom=True,
        truncate_legend=-1,
        truncate_label=-1,
        style=_style(pygal),
        js=(),
    )
    chart.x_labels = labels
    for title, cells in series.items():
        chart.add(title, [_bar(cell) for cell in cells])
    if any(not cell.usable for _, cell in table):
        chart.x_title = "Grey: too noisy to use"
    return _without_scripts(chart.render())


def _series(table: Sequence[tuple[list[str], Cell]]) -> tuple[list[str], dict[str, list[Cell | None]]]:
    """Return labels, and by title one bar a label: the last key tells series apart where there are few."""
    last = list(dict.fromkeys(keys[-1] for keys, _ in table if len(keys) > 1))
    if not 1 < len(last) <= _MAX_SERIES:
        return [_label(keys) for keys, _ in table], {"all": [cell for _, cell in table]}
    found = {(_label(keys[:-1]), keys[-1]): cell for keys, cell in table}
    labels = list(dict.fromkeys(label for label, _ in found))
    return labels, {title: [found.get((label, title)) for label in labels] for title in last}


def _label(keys: Sequence[str]) -> str:
    return " · ".join(keys) or "all"


def _bar(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None or cell.low is None:
        return None
    bar = {"value": cell.value, "ci": {"low": cell.low, "high": cell.high}}
    return bar if cell.usable else bar | {"color": _TOO_NOISY}


def _style(pygal: Any) -> Any:
    return pygal.style.Style(
        background="#ffffff",
        plot_background="#ffffff",
        colors=_COLOURS,
        opacity="1",
        font_family="sans-serif",
        title_font_size=15,
        label_font_size=11,
        major_label_font_size=11,
        legend_font_size=11,
        guide_stroke_color="#e0e0e0",
        major_guide_stroke_color="#c8c8c8",
        guide_stroke_dasharray="1",
        major_guide_stroke_dasharray="1",
        foreground_subtle="#404040",
        ci_colors=("#202020",),
    )


def write_svg(release: Mapping[str, Any], target: Path, measure: str | None = None) -> None:
    """Write what ``svg`` returns."""
    target.write_bytes(svg(release, measure))


def _without_scripts(document: bytes) -> bytes:
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(document)  # noqa: S314 - our own drawing
    for parent in list(root.iter()):
        for child in [item for item in parent if item.tag == f"{_SVG}script"]:
            parent.remove(child)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made
