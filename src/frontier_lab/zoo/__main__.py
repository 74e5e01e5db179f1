"""Retrain the committed checkpoints: ``python -m frontier_lab.zoo [name …]``.

``name:part`` trains one part again, for recipes that have parts (``llama_peer:recall``); the other parts stay
as they are committed.

``python -m frontier_lab.zoo --describe name`` writes a recipe's entry of the manifest anew from the committed
logs, for recipes that need no more than these: another word or measure there costs no training.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import torch
import transformers

from frontier_lab.storage import cache, checkpoints
from frontier_lab.storage.files import sha256, write_json
from frontier_lab.zoo.recipes import RECIPES


def rebuild(asked: str, work: Path) -> None:
    """Train one recipe, or a part of it, and replace its checkpoint, unless the result strays from it.

    Args:
        asked: ``name`` or ``name:part``.
        work: where a killed run goes on.

    Raises:
        SystemExit: a validation loss is farther from the manifest's than its entry allows; the new files
            stay in the cache.
    """
    name, _, part = asked.partition(":")
    recipe = RECIPES[name]
    fresh = work / asked / "checkpoint"
    entry = (recipe.parts[part] if part else recipe.assemble)(work / asked, fresh)
    found = checkpoints.manifest()
    tolerance = entry.get("tolerance", checkpoints.TOLERANCE)
    for run, loss in entry["val_loss"].items():
        committed = found.get(name, {}).get("val_loss", {}).get(run)
        beside = "none committed" if committed is None else f"committed {committed:.4f}"
        print(f"{name}, {run}: validation loss {loss:.4f}, {beside}")
        allowed = tolerance[run] if isinstance(tolerance, dict) else tolerance
        if committed is not None and abs(loss - committed) > allowed:
            raise SystemExit(f"error: {name}, {run}: more than {allowed} away; nothing replaced, see {fresh}")
    target = checkpoints.CHECKPOINTS / name
    staged = target.with_name(name + ".partial")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(fresh, staged)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(staged, target)
    files = {str(f.relative_to(target)): sha256(f) for f in sorted(target.rglob("*")) if f.is_file()}
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    found[name] = {**entry, "trained_with": versions, "files": files}
    write_json(checkpoints.MANIFEST, dict(sorted(found.items())))


def describe(name: str) -> None:
    """Write a recipe's entry from its committed logs; the files stay as they are.

    Raises:
        SystemExit: the recipe cannot do so, or the logs are not those of the manifest.
    """
    recipe = RECIPES[name]
    if recipe.describe is None:
        raise SystemExit(f"error: {name} cannot be described from its logs: run `make zoo ZOO={name}`")
    found = checkpoints.manifest()
    log = checkpoints.CHECKPOINTS / name / "log.json"
    if sha256(log) != found[name]["files"]["log.json"]:
        raise SystemExit(f"error: {log} is not the one of the manifest: restore it from git")
    kept = {key: found[name][key] for key in ("trained_with", "files")}
    found[name] = {**recipe.describe(json.loads(log.read_text("utf8"))), **kept}
    write_json(checkpoints.MANIFEST, found)


def main() -> None:
    """Entry point."""
    again = sys.argv[1:2] == ["--describe"]
    names = sys.argv[1 + again :] or list(RECIPES)
    parts = [f"{name}:{part}" for name, recipe in RECIPES.items() for part in recipe.parts]
    possible = [*RECIPES, *([] if again else parts)]
    unknown = [name for name in names if name not in possible]
    if unknown:
        raise SystemExit(f"error: no recipe {', '.join(unknown)}; there are: {', '.join(possible)}")
    if again:
        for name in names:
            describe(name)
        return
    torch.set_num_threads(1)
    work = cache.folder("zoo")
    for name in names:
        rebuild(name, work)
    for name in names:  # only now: a kill on the way leaves every finished run to be found again
        shutil.rmtree(work / name)


if __name__ == "__main__":
    main()
