"""What PyTorch makes of awkward texts: ``python tests/widgets/golden_tiny_encoder.py`` stores it for vitest.

The models are the committed sentence classifiers that pages run in the browser; pytest recomputes the
numbers. ``characters`` says what BERT's normaliser makes of every code point.
"""

from __future__ import annotations

import base64
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from frontier_widgets.attention_capture import capture, head_replaced
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from frontier_lab import hub
from frontier_lab.figure_data.browser_models import CLASSIFIERS
from frontier_lab.storage.checkpoints import committed

FILE = Path(__file__).parents[2] / "widgets" / "tests" / "golden" / "tiny_encoder.json"
TEXTS = [
    "The heavens declare the glory of God; and the firmament sheweth his handywork.",
    "And it came to pass in those days, that there went out a decree from Caesar Augustus.",
    "he that loveth not knoweth not god; for god is love.",
    "Thus saith the LORD: Woe unto them that go down to Egypt for help!",
    "a",
    "",
    "   \n\t ",
    "[CLS] in [SEP] the[MASK]text [UNK] [PAD]",
    "<s> inside </s>a <mask> text<pad> <unk>",
    "naïve café Ångström cafe\u0301 ṩ İstanbul ﬁne ß ẞ",
    "ΟΔΟΣ Σίσυφος Ἀχιλλεύς Жизнь",
    "混合专家mixture of experts的路由器\u3002 한국어 のだが",
    "\U00020000\U0002a6d6 beyond \U0002b820 \uf900 \U0002f800 \u3007ㄅ",
    "zero\u200bwidth\u200d joiner\ufeff soft\u00adhyphen \x00nul � \x07bell\x1b[0m \x7f \x85next \ue000",
    "blanks:\u00a0\u2003\u2028\u2029\u3000end\u1680\u180e\u205f.",
    "emoji 🙂🙃 and a family 👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627",
    "สว\u0e31สด\u0e35 नमस\u094dत\u0947",
    "“quoted” — don't… 50\u00a0% of £3.20 + $1 ^~` a_b #x @y § «» ¿、！・",
    "<script>alert('x')</script> &amp; https://a.b/c?d=e&f=%20",
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "a" * 100 + " " + "b" * 101 + " " + "the" * 33 + " " + "é" * 60,
    "constructor toString __proto__ hasOwnProperty ##the ## ##",
    "1234567890 IV. iv) 4th 2\u00b2 \u00bd \u2167 \u0663",
    "and " * 90,
    "Z\u0351\u036b\u0343a\u0302\u035cl\u030fg\u0335o\u0489 क़ \u1100\u1161\u11a8",
]
"""Accents, other scripts, control characters, blanks, emoji, long words, too long a text, none at all."""

WITH_ATTENTIONS = (0, 5, 11)
"""Texts whose attention probabilities are stored too."""


def packed(values: torch.Tensor) -> str:
    """Little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(values.float().numpy(), dtype="<f4").tobytes()).decode()


def _fate(tokenizer: Tokenizer, letter: str) -> str:
    """One letter for what becomes of a character between two others."""
    words = [
        word
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
            tokenizer.normalizer.normalize_str(f"a{letter}b")
        )
    ]
    if words == ["ab"]:
        return "dropped"
    if words == ["a", "b"]:
        return "blank"
    if len(words) == 3:
        return "apart"
    return "kept" if words == [f"a{letter}b"] else "changed"


def characters() -> list[tuple[int, str]]:
    """The first code point of each run of characters that share a fate, and the fate; without surrogates."""
    tokenizer = Tokenizer.from_file(str(committed("classifiers") / "bert" / "tokenizer.json"))
    scalars = [*range(0xD800), *range(0xE000, 0x110000)]
    fates = ((code, _fate(tokenizer, chr(code))) for code in scalars)
    return [next(run) for _, run in groupby(fates, key=lambda each: each[1])]


def build() -> dict[str, dict[str, Any]]:
    """By model: parameters, and of each text its words, ids in their frame, and scores of the classes."""
    found: dict[str, dict[str, Any]] = {}
    for name, (recipe, inside) in CLASSIFIERS.items():
        folder = str(committed(recipe) / inside)
        model = hub.load(folder, AutoModelForSequenceClassification, attn_implementation="eager")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        backend = tokenizer.backend_tokenizer
        layers, heads = model.config.num_hidden_layers, model.config.num_attention_heads
        texts: list[dict[str, Any]] = []
        found[name] = {"parameters": model.num_parameters(), "texts": texts}
        for i, text in enumerate(TEXTS):
            ids = tokenizer(text, truncation=True)["input_ids"]
            with torch.no_grad():
                out = model(torch.tensor([ids]), output_attentions=True)
            layer, head = i % layers, i % heads
            entry: dict[str, Any] = {
                "text": text,
                "ids": ids,
                "decoded": tokenizer.decode(ids, clean_up_tokenization_spaces=False),
                "logits": packed(out.logits[0]),
                "head_off": {"layer": layer, "head": head},
                "logits_off": {},
            }
            if backend.normalizer is not None:
                normal = backend.normalizer.normalize_str(text)
                entry["words"] = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]
            for kind in ("zero", "mean"):
                with torch.no_grad(), head_replaced(model, layer, head, kind):
                    entry["logits_off"][kind] = packed(model(torch.tensor([ids])).logits[0])
            if i in WITH_ATTENTIONS:
                norms = capture(model, tokenizer, ids).norms
                assert norms is not None
                entry["norms"] = packed(torch.from_numpy(norms))  # [L, H, T]
                entry["attentions"] = packed(torch.stack(out.attentions)[:, 0])  # [L, H, T, T]
            texts.append(entry)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    stored = {"models": build(), "characters": characters()}
    FILE.write_text(json.dumps(stored, ensure_ascii=True, separators=(",", ":")) + "\n", "utf8")
