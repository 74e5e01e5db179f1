"""The models of the book for people: one card each, written from the manifest and the training logs.

What a card says stands in ``zoo/manifest.json``, in English, where the recipes put it; its Chinese stands in
``catalogue.json``. The book shows the Chinese, and its English site takes the same file the other way round.
"""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier_lab import hub, packaged_models, plots
from frontier_lab.storage import checkpoints
from frontier_lab.texts import registry

WORDS = Path(__file__).with_name("catalogue.json")
ONLY = "the only run"
MOST_LINES = 8
"""Lines that one figure of losses has room for."""


@functools.cache
def _words() -> dict[str, tuple[str, str]]:
    """What the manifest writes to the Chinese and the English that people read."""
    raw: dict[str, Any] = json.loads(WORDS.read_text("utf8"))
    return {key: (said, key) if isinstance(said, str) else (said[0], said[1]) for key, said in raw.items()}


def english() -> dict[str, str]:
    """Chinese to English, for the catalogue of the English site."""
    return dict(_words().values())


def chinese(text: str) -> str:
    """The Chinese of something that the manifest says.

    Raises:
        ValueError: it has none in ``catalogue.json``.
    """
    if text not in _words():
        raise ValueError(f"text: got {text!r}, which has no Chinese in {WORDS.name}: write it there")
    return _words()[text][0]


def size(name: str) -> int:
    """Bytes of a checkpoint: weights, tokenizers and logs of all its parts."""
    return sum(f.stat().st_size for f in (checkpoints.CHECKPOINTS / name).rglob("*") if f.is_file())


def hub_ids(name: str) -> list[str]:
    """The ids of the chapter that a recipe's checkpoint stands in for."""
    return [hub_id for hub_id, source in hub.OFFLINE.items() if source.recipe == name]


def losses(name: str) -> dict[str, tuple[list[int], list[list[float]]]]:
    """Validation loss on the way: run to its steps and, seed by seed, its losses in nats."""
    runs = hub.training_log(name)
    if len(runs) == 1:
        runs = {ONLY: next(iter(runs.values()))}
    return {
        run: ([e["step"] for e in seeds[0]], [[e["val_loss"] for e in entries] for entries in seeds])
        for run, seeds in runs.items()
    }


def curve(name: str) -> plots.Drawing:
    """Validation loss over the steps of every run of a recipe, the range of its seeds as a band.

    Of a recipe with more runs than one figure has room for, those whose weights are committed.
    """
    runs = losses(name)
    if len(runs) > MOST_LINES:
        runs = {run: runs[run] for run in checkpoints.manifest()[name]["val_loss"]}
    title, english_title = _words()[f"recipe {name}"]
    lines = {chinese(run): values for run, (_, values) in runs.items()}
    steps = {chinese(run): at for run, (at, _) in runs.items()}
    ends = {run: [values[-1] for values in rows] for run, (_, rows) in runs.items()}
    zh = "；".join(f"{chinese(run)}降到 {_range(values)}" for run, values in ends.items())
    en = "; ".join(f"{_words()[run][1]} falls to {_range(values)}" for run, values in ends.items())
    return plots.curves(
        steps,
        lines,
        xlabel=chinese("training steps"),
        ylabel=chinese("validation loss"),
        height=2.2,
        zh=f"{title}的验证损失：{zh}。",
        en=f"Validation loss of {english_title}: {en}.",
    )


def _range(values: Sequence[float]) -> str:
    """One number, or lowest to highest where seeds differ: ``0.71``, ``0.55–0.80``."""
    low, high = (f"{value:.3g}" for value in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"


@dataclass(frozen=True)
class Page:
    """HTML for a notebook, and the same as plain text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def _cell(text: str, tag: str = "td", **attributes: str) -> str:
    rest = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{rest}>{html.escape(text)}</{tag}>"


def _table(label: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, of: str = "") -> Page:
    """A table that scrolls by itself on a narrow page; the first cell of a row is its heading.

    Args:
        label: what the table is, as the manifest would say it.
        header: names of the columns, likewise.
        rows: their cells, in Chinese where they are words.
        of: whose table it is, where a page has several of the kind: they are told apart by name.
    """
    zh, en = _words()[label]
    if of:
        zh, en = f"{_words()[of][0]}：{zh}", f"{_words()[of][1]}: {en}"
    zh, en = html.escape(zh), html.escape(en)
    head = "".join(_cell(chinese(text), "th", scope="col") for text in header)
    body = "".join(
        f"<tr>{_cell(row[0], 'th', scope='row')}{''.join(_cell(text) for text in row[1:])}</tr>"
        for row in rows
    )
    # The English site puts the third of the attributes in the place of the first, as in drawings.
    region = f'tabindex="0" role="region" aria-label="{zh}" data-alt-zh="{zh}" data-alt-en="{en}"'
    # "dataframe": the theme lays a light sheet under every other HTML output on a dark page.
    shown = f'<table class="table dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    text = "\n".join("　".join(row) for row in rows)
    return Page(f'<div class="wide-table" {region}>{shown}</div>', text)


def _facts(name: str) -> Iterator[tuple[str, str]]:
    """Label and value of each row of a card, in Chinese."""
    entry = checkpoints.manifest()[name]
    schedule = entry["schedule"]
    facts = {
        "class": entry["class"],
        "parameters": f"{entry['parameters']:,}",
        "size": f"{size(name) / 1e6:.2f} MB",
        "stands in for": ", ".join(hub_ids(name)),
        "training text": chinese(entry["text"]),
        "tokenizer": chinese(entry["tokenizer"]),
        "steps": f"{schedule['steps']:,} × {schedule['batch_size']} × {schedule['context']}",
        "seeds": ", ".join(map(str, entry["seeds"])),
        **{f"seeds of {name}": ", ".join(map(str, own)) for name, own in entry.get("seeds_of", {}).items()},
        "licence": entry["licence"],
        "can": chinese(entry["can"]),
        "cannot": chinese(entry["cannot"]),
    }
    return ((chinese(label), value) for label, value in facts.items() if value)


def findings(name: str) -> list[tuple[str, str, str]]:
    """What was measured, in Chinese: finding, condition, lowest to highest of the seeds."""
    found = checkpoints.manifest()[name]["findings"]
    return [
        (chinese(finding), chinese(condition), _range(values))
        for finding, conditions in found.items()
        for condition, values in conditions.items()
    ]


def card(name: str) -> Page:
    """All that there is to know of a committed model: facts, training curve, what was measured.

    Args:
        name: of its recipe.

    Raises:
        ValueError: there is no such recipe, or something said of it has no Chinese.
    """
    if name not in checkpoints.manifest():
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(checkpoints.manifest())}")
    facts = list(_facts(name))
    title = chinese(f"recipe {name}")
    rows = "".join(f"{_cell(label, 'dt')}{_cell(value, 'dd')}" for label, value in facts)
    table = _table(
        "what was measured",
        ("finding", "condition", "range of the seeds"),
        findings(name),
        of=f"recipe {name}",
    )
    fold = f"<details>{_cell(chinese('what was measured'), 'summary')}{table.html}</details>"
    shown = (
        f'<h3>{html.escape(title)}</h3><dl class="model-card">{rows}</dl>{curve(name)._repr_html_()}{fold}'
    )
    text = "\n".join(f"{label}：{value}" for label, value in facts)
    return Page(shown, f"{title}\n{text}\n{table.text}")


def overview() -> Page:
    """Every committed model in one table."""
    found = checkpoints.manifest()
    rows = [
        (
            name,
            found[name]["class"],
            f"{found[name]['parameters']:,}",
            f"{size(name) / 1e6:.2f} MB",
            ", ".join(hub_ids(name)) or "—",
        )
        for name in checkpoints.manifest()
    ]
    return _table("all committed models", ("recipe", "class", "parameters", "size", "stands in for"), rows)


def sizes() -> plots.Drawing:
    """How the megabytes of the committed checkpoints are spent."""
    spent = {name: size(name) / 1e6 for name in checkpoints.manifest()}
    order = sorted(spent, key=lambda name: -spent[name])
    drawing, (panel,) = plots.figure(width=6.0, height=0.2 * len(order) + 0.6)
    panel.barh(range(len(order)), [spent[name] for name in order], color=plots.COLOURS[0])
    panel.set(yticks=range(len(order)), yticklabels=order, xlabel="MB")
    panel.invert_yaxis()
    total = sum(spent.values())
    return plots.show(
        drawing,
        zh=f"{len(order)} 个检查点共 {total:.1f} MB，最大的是 {order[0]}，{spent[order[0]]:.1f} MB。",
        en=f"{len(order)} checkpoints take {total:.1f} MB together; the largest is {order[0]} with "
        f"{spent[order[0]]:.1f} MB.",
    )


def real_models() -> Page:
    """The real models that packages carry."""
    rows = [
        (
            hub_id,
            package.model_class,
            f"{package.parameters:,}",
            package.licence,
            package.distribution.replace("==", " "),
        )
        for hub_id, package in packaged_models.PACKAGES.items()
    ]
    return _table("real models in packages", ("hub id", "class", "parameters", "licence", "package"), rows)


def texts() -> Page:
    """Every corpus and probe: what it is, its licence, a sample."""
    rows = [
        (
            name,
            chinese(dataset.what),
            dataset.licence if dataset.by_rule else chinese(dataset.licence),
            registry.sample(name),
        )
        for name, dataset in registry.DATASETS.items()
    ]
    return _table("corpora and probes", ("name", "what it is", "licence", "a sample"), rows)
