"""A release as an SVG file of bars with error bars. Needs the extra ``charts``: ``pip install 'concordat[charts]'``.

The drawing is pygal's; of its output the scripts are taken away, so that the file shows the same everywhere and
fetches nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from connectors.errors import LocalError
from connectors.release_table import measure_names, rows

MAX_BARS = 200
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
    table = [(" · ".join(keys) or "all", cells[place]) for keys, cells in rows(release)]
    if len(table) > MAX_BARS:
        raise LocalError("too_many_bars", f"a chart has at most {MAX_BARS} bars, the release {len(table)} rows")
    ends = [end for _, cell in table for end in (cell.low, cell.high) if end is not None]
    chart = pygal.Bar(
        title=f"{(release.get('question') or {}).get('dataset', '')}: {names[place]}, with 95% intervals of the noise",
        x_label_rotation=35,
        range=(min(0.0, *ends), max(1.0, *ends)) if ends else None,
        legend_at_bottom=True,
        style=pygal.style.LightColorizedStyle,
        js=(),
    )
    chart.x_labels = [label for label, _ in table]
    for title, wanted in (("usable", True), ("too noisy to use", False)):
        chart.add(
            title,
            [
                {"value": cell.value, "ci": {"low": cell.low, "high": cell.high}}
                if cell.usable is wanted and cell.half_width is not None
                else None
                for _, cell in table
            ],
        )
    return _without_scripts(chart.render())


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
