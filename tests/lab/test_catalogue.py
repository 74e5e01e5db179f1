"""The cards of the models: every one complete in Chinese, its English the same file read the other way."""

from __future__ import annotations

import html
import json
import re
from collections import Counter

import pytest

from frontier_lab import catalogue, hub, zoo
from frontier_lab.texts import registry

HAN = re.compile(r"[\u3400-\u9fff]")
TEXT = re.compile(r">([^<>]*)<")
PAGES = {name: catalogue.card(name) for name in zoo.RECIPES}
TABLES = (catalogue.overview, catalogue.real_models, catalogue.texts)


def shown(page: str) -> set[str]:
    """The texts between tags that have Chinese in them: what the English site looks up one by one."""
    return {html.unescape(text).strip() for text in TEXT.findall(page) if HAN.search(text)}


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_every_chinese_word_of_a_card_has_its_english(name: str) -> None:
    assert not {text for text in shown(PAGES[name].html) if text not in catalogue.english()}


@pytest.mark.parametrize("table", TABLES)
def test_every_chinese_word_of_a_table_has_its_english_but_for_the_samples(table: object) -> None:
    samples = {registry.sample(name).strip() for name in registry.DATASETS}
    page = table().html  # type: ignore[operator]
    assert not {text for text in shown(page) if text not in catalogue.english() and text not in samples}


def test_chinese_leads_back_to_one_english() -> None:
    raw = json.loads(catalogue.WORDS.read_text("utf8"))
    said = Counter(word if isinstance(word, str) else word[0] for word in raw.values())
    assert not [word for word, count in said.items() if count > 1]
    assert not [word for pair in catalogue.english().items() for word in pair if not word.strip()]
    assert not [english for english in catalogue.english().values() if HAN.search(english)]


def test_nothing_is_translated_that_nothing_says() -> None:
    raw = json.loads(catalogue.WORDS.read_text("utf8"))
    everything = "".join(page.html for page in PAGES.values())
    everything += "".join(table().html for table in TABLES)
    texts = shown(everything) | set(re.findall(r'aria-label="([^"]*)"', everything))
    said = {key: html.unescape(word if isinstance(word, str) else word[0]) for key, word in raw.items()}
    unused = {key for key, word in said.items() if not any(word in text for text in texts)}
    assert not unused


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_a_card_says_what_the_manifest_and_the_files_say(name: str) -> None:
    entry = zoo.manifest()[name]
    text = repr(PAGES[name])
    assert entry["class"] in text
    assert f"{entry['parameters']:,}" in text
    assert catalogue.chinese(entry["can"]) in text
    assert catalogue.chinese(entry["cannot"]) in text
    assert all(hub_id in text for hub_id in catalogue.hub_ids(name))
    assert catalogue.size(name) == sum(
        (zoo.CHECKPOINTS / name / file).stat().st_size for file in entry["files"]
    )
    rows = sum(len(conditions) for conditions in entry["findings"].values())
    assert len(catalogue.findings(name)) == rows > 0


@pytest.mark.parametrize("name", zoo.RECIPES)
def test_the_curve_ends_at_the_loss_of_the_manifest(name: str) -> None:
    ends = [values[0][-1] for _, values in catalogue.losses(name).values()]
    wanted = list(zoo.manifest()[name]["val_loss"].values())
    assert any(end == pytest.approx(loss, abs=1e-3) for end in ends for loss in wanted)
    drawing = catalogue.curve(name)
    assert drawing.zh
    assert not HAN.search(drawing.en)


def test_every_hub_id_is_on_a_card() -> None:
    assert {hub_id for name in zoo.RECIPES for hub_id in catalogue.hub_ids(name)} == set(hub.OFFLINE)


def test_an_unknown_name_and_an_untranslated_word_are_refused() -> None:
    with pytest.raises(ValueError, match="name: got 'gpt5', wanted one of bert"):
        catalogue.card("gpt5")
    with pytest.raises(ValueError, match="text: got 'no such words', which has no Chinese"):
        catalogue.chinese("no such words")


@pytest.mark.parametrize(
    ("values", "wanted"), [([0.5, 0.5, 0.5], "0.5"), ([0.712, 0.55, 0.8], "0.55–0.8"), ([1.0, 1.0], "1")]
)
def test_a_range_is_one_number_where_seeds_agree(values: list[float], wanted: str) -> None:
    assert catalogue._range(values) == wanted
