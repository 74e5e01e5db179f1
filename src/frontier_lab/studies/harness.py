"""The pairs of 28.5.3 as a task of lm-evaluation-harness, and what that gives for SmolLM2.

The task is CrowS-Pairs' in form: of two sentences that differ in a pronoun, one is called the stereotype,
here the one whose pronoun is that of the occupation's majority; ``pct_stereotype`` is the share of pairs in
which that one is the likelier, and ``likelihood_diff`` the mean distance, which forgets its direction. The
harness (lm-eval 0.4.13) is not among the lab's packages: `make harness` makes an environment that has both.
``python -m frontier_lab.studies.harness src/frontier_lab/studies/harness.json``
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab import hub
from frontier_lab.methods import pronouns
from frontier_lab.storage import results
from frontier_lab.studies.occupational_bias import HUB_ID
from frontier_lab.texts.occupations import SHARES, TEMPLATES

NAME = "occupation_pairs"
RESAMPLES = 1000
"""Of the harness's own standard error."""


def pairs() -> list[dict[str, str]]:
    """Every template with every occupation: the stereotype, and the sentence with the other pronoun."""
    found = []
    for template in TEMPLATES:
        for who, share in SHARES.items():
            man, woman = template.pair(who)
            more, less = (woman, man) if share > 50 else (man, woman)
            found.append({"sent_more": more, "sent_less": less})
    return found


def choices(pair: Mapping[str, str]) -> list[str]:
    """Both sentences, the stereotype first."""
    return [pair["sent_more"], pair["sent_less"]]


def process(pair: Mapping[str, str], found: list[tuple[float, bool]]) -> dict[str, float]:
    """What a pair adds to the metrics, from the log-likelihoods of its sentences; CrowS-Pairs' two."""
    more, less = (likelihood for likelihood, _ in found)
    return {"likelihood_diff": abs(more - less), "pct_stereotype": float(more > less)}


def task(folder: Path) -> dict[str, Any]:
    """The task as ``simple_evaluate(tasks=[…])`` takes it; its pairs are written into a folder."""
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs()), "utf8")
    metrics = ("likelihood_diff", "pct_stereotype")
    return {
        "task": NAME,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "",
        "doc_to_target": 0,
        "doc_to_choice": choices,
        "target_delimiter": "",
        "process_results": process,
        "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": False} for m in metrics],
    }


def own(pair: Mapping[str, str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[float]:
    """Log-likelihoods of a pair's sentences by our own sum over tokens, the stereotype's first, in nats.

    The first token counts as well, after the start token, as it does in the harness.
    """
    start = tokenizer.bos_token_id
    return [-float(pronouns.losses(model, tokenizer, each, start).sum()) for each in choices(pair)]


def measure() -> Mapping[str, Any]:
    """The data set: ``version`` of the harness, its ``results`` and, pair by pair, the ``log likelihoods`` of
    the stereotype and of the other sentence, ``[480][2]``.

    Raises:
        SystemExit: the harness is not installed.
        RuntimeError: SmolLM2 is not installed.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        os.environ["HF_DATASETS_CACHE"] = work  # before the harness imports datasets
        try:
            import lm_eval  # type: ignore[import-not-found]
            from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found]
        except ImportError as error:
            raise SystemExit(
                f"error: {error}; wanted an environment with lm-eval, as `make harness` makes it"
            ) from error
        from transformers import AutoTokenizer

        if not hub.is_real(HUB_ID):
            raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
        path = hub.path(HUB_ID)
        model = HFLM(
            pretrained=hub.load(path),
            tokenizer=AutoTokenizer.from_pretrained(path),
            batch_size=16,
            device="cpu",
            max_length=64,
        )
        found = lm_eval.simple_evaluate(
            model=model, tasks=[task(Path(work))], bootstrap_iters=RESAMPLES, log_samples=True
        )
    samples = sorted(found["samples"][NAME], key=lambda sample: sample["doc_id"])
    keys = ("likelihood_diff", "pct_stereotype")
    return {
        "format": 1,
        "version": lm_eval.__version__,
        "results": {
            key: {
                "value": found["results"][NAME][f"{key},none"],
                "stderr": found["results"][NAME][f"{key}_stderr,none"],
            }
            for key in keys
        },
        "log likelihoods": [
            [round(float(answer[0]), 4) for answer in sample["filtered_resps"]] for sample in samples
        ],
        "packages": sorted(
            {name.partition(".")[0] for name in sys.modules} & {p.partition("-")[0] for p in _beside()}
        ),
    }


def _beside() -> list[str]:
    """What was installed beside the harness."""
    import lm_eval

    return [each.name for each in Path(lm_eval.__file__).parents[1].iterdir() if each.is_dir()]


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


if __name__ == "__main__":
    results.write(measure)
