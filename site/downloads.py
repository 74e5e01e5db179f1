"""The notebook behind a page's download button: its figures alive, and in the language of the page.

A committed notebook keeps neither code nor published data of its figures: each would stand there once for
every figure, and change with every build of the bundles. Who downloads one page gets both, so that JupyterLab
shows the figures before anything has run. The English page's notebook is made with the page's own catalogue.
"""

from __future__ import annotations

import ast
import copy
import html
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import frontier_widgets
from drawings import with_room
from frontier_widgets.components import NOT_RUN

HAN = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff01-\uff60]")  # and full-width punctuation
SEGMENT = re.compile(r">([^<>]*)<")
DRAWING = re.compile(r'aria-label="[^"]*"( data-alt-zh="[^"]*" data-alt-en="([^"]*)")')
STATE = "application/vnd.jupyter.widget-state+json"
HIDDEN = "\ue000{}\ue001"
"""Stands for a text that is translated, so that no shorter one is found inside it."""

Translate = Callable[[str], str]


# ---- figures -----------------------------------------------------------------------------------------------


@cache
def saved_default(name: str) -> dict[str, Any]:
    """What Jupyter would save of a component that shows its published data: ``state`` and ``buffers``."""
    widget = getattr(frontier_widgets, name)()
    saved: dict[str, Any] = widget.get_manager_state(widgets=[widget])["state"][widget.model_id]
    widget.close()
    return saved


def with_live_figures(notebook: Any) -> Any:
    """A copy of the notebook whose saved figures bring their code, style and data with them."""
    alive = copy.deepcopy(notebook)
    known = frontier_widgets.components()
    for model in alive.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        values = model["state"]
        component = known.get(str(values.get("_anywidget_id", "")).rpartition(".")[2])
        if model["model_module"] != "anywidget" or component is None:
            continue
        traits = ["_esm", "_css"]
        if values.get("data_sha256") == component.data_sha256:
            traits += component.data_traits
        default = saved_default(component.name)
        values |= {name: value for name, value in default["state"].items() if name in traits}
        kept = [buffer for buffer in model.get("buffers", []) if buffer["path"][0] not in traits]
        kept += [buffer for buffer in default.get("buffers", []) if buffer["path"][0] in traits]
        if kept:
            model["buffers"] = kept
    return alive


# ---- language ----------------------------------------------------------------------------------------------


def translated_line(line: str, translate: Translate) -> str:
    """A line of code or output, its indentation kept."""
    text = line.strip()
    return line.replace(text, translate(text)) if HAN.search(text) else line


def translated_lines(text: str, translate: Translate) -> str:
    """Code or output, line by line."""
    return "\n".join(translated_line(line, translate) for line in text.split("\n"))


def translated_html(source: str, translate: Translate) -> str:
    """The text between tags, and the description of a drawing, which brings its English with it."""

    def segment(match: re.Match[str]) -> str:
        text = match[1].strip()
        words = html.unescape(match[1]).strip()
        new = match[1].replace(text, html.escape(translate(words))) if HAN.search(words) else match[1]
        return f">{new}<"

    return DRAWING.sub(r'aria-label="\2"\1', SEGMENT.sub(segment, source))


def translated_markdown(source: str, texts: Mapping[str, str]) -> str:
    """Markdown with each paragraph, heading, list item and cell of a table in the other language.

    Args:
        source: a cell's.
        texts: from the catalogue; a message is one block of text with its lines joined.
    """
    put: list[str] = []
    for text in sorted(texts, key=len, reverse=True):
        if not HAN.search(text):
            continue
        words = r"\s+(?:>\s*)*".join(map(re.escape, text.split()))

        def hide(_: re.Match[str], new: str = texts[text]) -> str:
            put.append(new)
            return HIDDEN.format(len(put) - 1)

        source = re.sub(rf"(?<!\w){words}(?!\w)", hide, source)
    hidden = HIDDEN.format(r"(\d+)")
    while re.search(hidden, source):
        source = re.sub(hidden, lambda match: put[int(match[1])], source)
    return source


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a string that is written out."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def same_code(one: str, other: str) -> bool:
    """Whether two cells differ in comments and strings alone, and in how many strings they print."""

    def shape(code: str) -> str:
        tree = ast.parse(re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", code))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and is_text(node):
                node.value = ""
            if isinstance(node, ast.JoinedStr):  # words around its values may be in another order, or gone
                node.values = [value for value in node.values if not isinstance(value, ast.Constant)]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                node.args = [arg for arg in node.args if not is_text(arg)]
        return ast.dump(tree)

    try:
        return shape(one) == shape(other)
    except SyntaxError:
        return False


def translated_code(source: str, translate: Translate) -> str:
    """A cell's code with its comments and texts in the other language, as the page shows it.

    Raises:
        ValueError: the translation is other code.
    """
    new = translated_lines(source, translate)
    if not same_code(source, new):
        raise ValueError(f"a translated cell is other code than its source:\n{source}\n----\n{new}")
    return described_in_english(new)


def described_in_english(source: str) -> str:
    """Calls that describe a drawing in both languages (``zh=…, en=…``), with the English in both places."""
    if not re.search(r"\bzh=", source):
        return source
    starts = [0]
    for line in source.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    text = source.encode()

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    swaps = []
    for call in calls:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        if isinstance(named.get("zh"), (ast.Constant, ast.JoinedStr)) and "en" in named:
            swaps.append((span(named["zh"]), text[slice(*span(named["en"]))]))
    for (start, end), english in sorted(swaps, reverse=True):
        text = text[:start] + english + text[end:]
    return text.decode()


def in_english(notebook: Any, texts: Mapping[str, str]) -> Any:
    """A copy of the notebook in English.

    Args:
        notebook: the committed one.
        texts: the page's catalogue, Chinese to English.
    """
    english = copy.deepcopy(notebook)

    def translate(text: str) -> str:
        return texts.get(text) or text

    for cell in english.cells:
        if cell.cell_type == "markdown":
            cell.source = translated_markdown(cell.source, texts)
            continue
        cell.source = translated_code(cell.source, translate)
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = translated_lines(output.text, translate)
                continue
            data = output.data
            if drawing := DRAWING.search(data.get("text/html", "")):
                data["text/plain"] = f"Drawing({html.unescape(drawing[2])})"
            elif "text/plain" in data:
                said = data["text/plain"].replace(f"{NOT_RUN['zh']}\n", "")
                data["text/plain"] = translated_lines(said, translate)
            if "text/html" in data:
                data["text/html"] = with_room(translated_html(data["text/html"], translate))
    return english
