"""Tasks whose answers are known, and exact scoring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from frontier_lab.texts import prompt_tasks
from frontier_lab.zoo import gpt2


@pytest.mark.parametrize("task", list(prompt_tasks.TASKS))
def test_examples_repeat_themselves_and_parts_do_not_overlap(task: str) -> None:
    parts = {part: prompt_tasks.examples(task, part, 60, 3) for part in ("train", "validation", "test")}
    assert parts["test"] == prompt_tasks.examples(task, "test", 60, 3)
    assert parts["test"] != prompt_tasks.examples(task, "test", 60, 4)
    prompts = {part: {e.prompt for e in found} for part, found in parts.items()}
    assert not prompts["train"] & prompts["validation"]
    assert not prompts["train"] & prompts["test"]
    assert not prompts["validation"] & prompts["test"]
    assert all(e.prompt.endswith("=") and e.prompt.count("=") == 1 for found in parts.values() for e in found)


def test_sums_are_right() -> None:
    for example in prompt_tasks.examples("arithmetic", "train", 100, 0):
        a, b = example.prompt.rstrip("=").split("+")
        assert int(a) + int(b) == int(example.answer[::-1])


def test_letters_are_reversed_raised_or_sorted() -> None:
    done = {"rev": lambda w: w[::-1], "up": lambda w: [x.upper() for x in w], "sort": sorted}
    names = set()
    for example in prompt_tasks.examples("strings", "train", 100, 0):
        name, *word = example.prompt.rstrip("=").split()
        names.add(name)
        assert example.answer.split() == done[name](word)
    assert names == set(done)


def test_style_follows_its_rules() -> None:
    generator = np.random.default_rng(0)
    found = {e.prompt: e.answer for e in (prompt_tasks.style(generator) for _ in range(20_000))}
    assert found["you go to the city ="] == " thou goest unto the city"
    assert found["your king speaks to the ark ="] == " thy king speaketh unto the ark"
    for prompt, answer in found.items():
        assert ("your" in prompt) == ("thy" in answer)
        assert prompt.startswith("you ") == answer.startswith(" thou ")
        assert " unto " in answer


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    """A GPT-2 with random weights."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=512, n_positions=64, n_embd=16, n_layer=1, n_head=2)).eval()


def test_exact_scoring_in_one_pass_is_greedy_generation(model: GPT2LMHeadModel) -> None:
    tokenizer = gpt2.build_tokenizer()
    prompts = [e.prompt for e in prompt_tasks.examples("arithmetic", "train", 6, 0)]
    batch = []
    for number, prompt in enumerate(prompts):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        out = model.generate(ids, max_new_tokens=2, do_sample=False, eos_token_id=-1, pad_token_id=0)
        # What the model says, with the end of text as it comes: right for the even ones, spoilt for the odd.
        said = out[0, ids.shape[1] :].tolist()
        batch.append((ids[0].tolist(), said if number % 2 == 0 else [said[0], (said[1] + 1) % 512]))
    longest = max(len(p) + len(a) for p, a in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full_like(ids, prompt_tasks.IGNORED)
    for row, (prompt_ids, answer) in enumerate(batch):
        ids[row, : len(prompt_ids) + 2] = torch.tensor(prompt_ids + answer)
        labels[row, len(prompt_ids) : len(prompt_ids) + 2] = torch.tensor(answer)
    assert prompt_tasks.exact(model, ids, labels) == 0.5
    found = prompt_tasks.graded(model, ids, labels)
    assert found.right.tolist() == [True, False] * 3
    assert found.exact == 0.5
    with torch.no_grad():
        whole = model(input_ids=ids, labels=labels).loss.item()
    assert found.token_loss == pytest.approx(whole, rel=1e-5)
    assert found.tokens.tolist() == [2] * 6
    alone = prompt_tasks.graded(model, ids[3:4], labels[3:4])
    assert alone.loss.item() == pytest.approx(found.loss[3].item(), rel=1e-4)


def test_only_the_answer_and_its_end_are_scored() -> None:
    tokenizer = gpt2.build_tokenizer()
    ids, labels = prompt_tasks.encode(
        tokenizer, [prompt_tasks.Example("1+2=", "3"), prompt_tasks.Example("10+20=", "30")]
    )
    assert ids.shape == labels.shape == (2, 9)
    scored = [ids[row][labels[row] != prompt_tasks.IGNORED].tolist() for row in range(2)]
    assert [tokenizer.decode(row) for row in scored] == ["3<|endoftext|>", "30<|endoftext|>"]


def test_a_task_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="task: got 'chess', wanted one of arithmetic, strings, style"):
        prompt_tasks.examples("chess", "test", 1, 0)


def test_parts_are_of_the_stated_size() -> None:
    generator = np.random.default_rng(0)
    parts = [prompt_tasks.part_of(prompt_tasks.addition(generator).prompt) for _ in range(5000)]
    assert parts.count("train") / 5000 == pytest.approx(0.8, abs=0.03)
    assert parts.count("test") / 5000 == pytest.approx(0.1, abs=0.02)
