"""The one list of components: it says what is there, and what it has not is named."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import anywidget
import pytest
import tomllib
from frontier_widgets import components, slim_state
from frontier_widgets.components import LIST, _listed, component

WIDGETS = Path(__file__).parents[2] / "widgets"
ENTRIES = json.loads(LIST.read_text("utf8"))


@pytest.mark.parametrize("name", components())
def test_what_is_listed_is_there(name: str) -> None:
    found = component(name)
    widget = getattr(import_module(found.module), name)
    assert issubclass(widget, anywidget.AnyWidget)
    assert set(found.data_traits) <= set(widget.class_trait_names())
    entry = WIDGETS / ENTRIES[name]["entry"]
    assert entry.exists()
    # The bundle is named after the entry's folder, and Python looks for it by the module's name.
    assert entry.parent.name == found.module.rpartition(".")[2]
    assert all(path.exists() for path in (found.esm_path, found.css_path, found.data_path))


def test_every_folder_is_installed() -> None:
    """An editable install finds a folder that nobody listed; a wheel has none."""
    listed = tomllib.loads((WIDGETS / "pyproject.toml").read_text("utf8"))["tool"]["setuptools"]["packages"]
    package = WIDGETS / "frontier_widgets"
    folders = [init.parent.relative_to(WIDGETS).parts for init in package.rglob("__init__.py")]
    assert sorted(listed) == sorted(".".join(parts) for parts in folders)


def test_every_component_of_the_package_is_listed() -> None:
    import frontier_widgets

    widgets = {
        name
        for name, value in vars(frontier_widgets).items()
        if isinstance(value, type) and issubclass(value, anywidget.AnyWidget)
    }
    assert widgets == set(ENTRIES)


@pytest.mark.parametrize("name", components())
def test_the_data_set_fills_its_traits(name: str) -> None:
    data = json.loads(component(name).data_path.read_text("utf8"))
    assert set(component(name).data_traits) <= data.keys()
    widget = getattr(import_module(component(name).module), name)()
    assert widget.data_sha256 == component(name).data_sha256


def test_a_component_without_an_entry_is_named() -> None:
    with pytest.raises(ValueError, match=r"name: got 'Sparkline', wanted one that components\.json lists: A"):
        component("Sparkline")
    saved = {
        "state": {
            "m": {
                "model_module": "anywidget",
                "state": {"_anywidget_id": "frontier_widgets.sparkline.Sparkline", "_esm": "…"},
            }
        }
    }
    with pytest.raises(ValueError, match="got 'Sparkline', wanted one that"):
        slim_state(saved)
    saved["state"]["m"]["state"]["_anywidget_id"] = "somebody.else.Sparkline"
    assert slim_state(saved) == saved


@pytest.mark.parametrize("key", ["entry", "module", "data_traits"])
def test_an_incomplete_entry_is_named(key: str) -> None:
    entry = {other: value for other, value in ENTRIES["MoERouting"].items() if other != key}
    with pytest.raises(ValueError, match=rf"components\.json: MoERouting\.{key}: got None, wanted a "):
        _listed(json.dumps({"MoERouting": entry}))
