"""What a static site needs of this package: each component's module, style sheet and published data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HOST = HERE / "static" / "host.js"
"""The classic script that mounts components in a page without a kernel."""

CLAIMS = HERE / "static" / "claims.js"
"""The classic script that shows the evidence of a page's claims as cards."""

MEASURES = HERE / "static" / "measures.js"
"""The classic script that measures a claim again, which the cards add when a reader asks for it."""

NOT_RUN = {"zh": "运行本单元格，就能看到这张图。", "en": "Run this cell to see the figure."}
"""What stands in the place of a figure in a notebook that is opened and not run."""

LIST = HERE / "components.json"
"""The one list of components, which ``widgets/build.mjs`` and the TypeScript sides read as well.

By name, which is that of the class and of the ``data-component`` attribute: ``entry``, the TypeScript file
that the bundle starts from; ``module``, where the class is; ``data_traits``, the traits that the component's
data set fills, so that a page may leave them out of its saved state.
"""


@dataclass(frozen=True)
class Component:
    """Files of one component.

    Attributes:
        name: the class's name and the ``data-component`` attribute.
        module: of the class.
        data_traits: traits that the data set fills.
    """

    name: str
    module: str
    data_traits: tuple[str, ...]

    @property
    def esm_path(self) -> Path:
        """One self-contained ES module."""
        return HERE / "static" / f"{self._stem}.js"

    @property
    def css_path(self) -> Path:
        """Its style sheet."""
        return HERE / "static" / f"{self._stem}.css"

    @property
    def data_path(self) -> Path:
        """JSON data set that the component shows when it is given no other."""
        return HERE / "data" / f"{self._stem}.json"

    @property
    def _stem(self) -> str:
        return self.module.rpartition(".")[2]

    @cached_property
    def data_sha256(self) -> str:
        """Hex digest of the data set's bytes; a widget that shows this data set carries it as a trait."""
        return hashlib.sha256(self.data_path.read_bytes()).hexdigest()

    @cached_property
    def published(self) -> dict[str, Any]:
        """The data set as the file has it."""
        found: dict[str, Any] = json.loads(self.data_path.read_text("utf8"))
        return found

    def filled(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data traits' values, from a data set of format 1.

        Raises:
            ValueError: another format, or no value for a trait.
        """
        if data.get("format") != 1:
            raise ValueError(f"data: got format {data.get('format')}, wanted 1")
        missing = [name for name in self.data_traits if name not in data]
        if missing:
            raise ValueError(f"data: got none for {', '.join(missing)}, wanted all of the data set")
        return {name: data[name] for name in self.data_traits}

    def registry_entry(self) -> dict[str, Any]:
        """The value of ``window.frontierComponents[name]``: ``esm``, ``css``, ``data``, ``data_sha256``."""
        return {
            "esm": self.esm_path.read_text("utf8"),
            "css": self.css_path.read_text("utf8"),
            "data": self.published,
            "data_sha256": self.data_sha256,
        }


def _listed(text: str) -> dict[str, Component]:
    """The list as it is written, checked."""
    found = {}
    for name, entry in json.loads(text).items():
        for key, kind in (("entry", str), ("module", str), ("data_traits", list)):
            if not isinstance(entry.get(key), kind):
                raise ValueError(
                    f"{LIST.name}: {name}.{key}: got {entry.get(key)!r}, wanted a {kind.__name__}"
                )
        found[name] = Component(name, entry["module"], tuple(entry["data_traits"]))
    return found


@cache
def _components() -> dict[str, Component]:
    return _listed(LIST.read_text("utf8"))


def components() -> dict[str, Component]:
    """Every component of the package by name, as :data:`LIST` has them.

    Raises:
        ValueError: an entry of the list is incomplete.
    """
    return dict(_components())


def component(name: str) -> Component:
    """One component.

    Raises:
        ValueError: the list has no such entry.
    """
    known = _components()
    if name not in known:
        raise ValueError(f"name: got {name!r}, wanted one that {LIST.name} lists: {', '.join(sorted(known))}")
    return known[name]


def registry_script(names: list[str] | None = None) -> str:
    """The classic script that fills ``window.frontierComponents``; safe inside ``<script>`` as well.

    Args:
        names: components to include; all by default.

    Raises:
        ValueError: a name is not a component of this package.
    """
    known = components()
    unknown = sorted(set(names or []) - set(known))
    if unknown:
        raise ValueError(f"names: got {unknown}, wanted some of {sorted(known)}")
    entries = {name: known[name].registry_entry() for name in (names or known)}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.frontierComponents=Object.assign(window.frontierComponents||{{}},{text});\n"


def slim_state(state: dict[str, Any]) -> dict[str, Any]:
    """Take out of a saved widget state what the registry has anyway; the host puts it back.

    Code and style go for every component of this package. Data goes where the widget's ``data_sha256`` is the
    one of the package's data set; a widget with the reader's own data keeps it.

    Args:
        state: the content of ``application/vnd.jupyter.widget-state+json``; it is not changed.

    Raises:
        ValueError: the state has a widget of this package that the list of components has not.
    """
    known = components()
    slim = deepcopy(state)
    for model in slim.get("state", {}).values():
        values = model.get("state", {})
        module, _, name = str(values.get("_anywidget_id", "")).rpartition(".")
        if model.get("model_module") != "anywidget":
            continue
        if name not in known:
            if module.partition(".")[0] == __package__:
                component(name)  # a class of this package without an entry: its page would stay empty
            continue
        values.pop("_esm", None)
        values.pop("_css", None)
        if values.get("data_sha256") != known[name].data_sha256:
            continue
        traits = known[name].data_traits
        for trait in traits:
            values.pop(trait, None)
        kept = [buffer for buffer in model.get("buffers", []) if buffer["path"][0] not in traits]
        model.pop("buffers", None)
        if kept:
            model["buffers"] = kept
    return slim
