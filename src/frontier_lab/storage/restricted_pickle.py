"""A linear filter out of a pickle, without running anything that the pickle could name.

A pickle is a program: whoever loads one runs what it says. Where a model comes as nothing else, its bytes are
compared with the pinned hash, and the same bytes are read in a process of its own by an unpickler that knows
eleven names. Those of scikit-learn stand for records without methods, so none of its code runs either, and
its version does not matter. What comes out is safetensors and JSON.

    ``python -m frontier_lab.storage.restricted_pickle <target> <file> <sha256> <file> <sha256>``

reads a ``CalibratedClassifierCV`` of ``LinearSVC`` and its ``TfidfVectorizer``, as joblib wrote them.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from numpy.typing import NDArray
from safetensors.numpy import save_file

from frontier_lab.storage.files import write_json

CONFIG, WEIGHTS = "linear.json", "model.safetensors"


class RefusedError(ValueError):
    """A file is not the pinned one, or names what is not on the list; nothing of it was run."""


class Record:
    """Attributes, and nothing that could be called."""


class PlainArray(NumpyArrayWrapper):  # type: ignore[misc]  # joblib has no types
    """An array of numbers in a joblib file; of objects it would be a pickle within the pickle."""

    def read_array(self, unpickler: Any, ensure_native_byte_order: bool) -> Any:
        """The array.

        Raises:
            RefusedError: it holds objects.
        """
        if np.dtype(self.dtype).hasobject:
            raise RefusedError("an array of objects is not read")
        return super().read_array(unpickler, ensure_native_byte_order)


RECORDS = {
    ("sklearn.calibration", "CalibratedClassifierCV"),
    ("sklearn.calibration", "_CalibratedClassifier"),
    ("sklearn.calibration", "_SigmoidCalibration"),
    ("sklearn.svm._classes", "LinearSVC"),
    ("sklearn.feature_extraction.text", "TfidfVectorizer"),
    ("sklearn.feature_extraction.text", "TfidfTransformer"),
}
"""Read as ``Record``."""

ALLOWED: dict[tuple[str, str], Any] = {
    **dict.fromkeys(RECORDS, Record),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): PlainArray,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "float64"): np.float64,
    ("numpy._core.multiarray", "scalar"): np._core.multiarray.scalar,  # type: ignore[attr-defined]
}
"""Every name that a file may ask for, with what it gets."""


class RestrictedUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib has no types
    """joblib's reader, which finds the names of ``ALLOWED`` alone."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for.

        Raises:
            RefusedError: it is not on the list.
        """
        if (module, name) not in ALLOWED:
            raise RefusedError(f"the pickle names {module}.{name}, which is not on the list")
        return ALLOWED[module, name]


def read(path: Path, wanted: str) -> Any:
    """What a joblib file holds, if its bytes are the pinned ones.

    Raises:
        RefusedError: they are not, or the file names what is not on the list.
    """
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != wanted:
        raise RefusedError(f"{path.name} is not the file that was pinned")
    return RestrictedUnpickler(str(path), io.BytesIO(data), ensure_native_byte_order=True).load()


def convert(model: Record, vectorizer: Record, target: Path) -> None:
    """Write a linear filter: terms, their weights in a text, and the sigmoids of its linear parts.

    Args:
        model: of attribute ``calibrated_classifiers_``.
        vectorizer: of attribute ``vocabulary_``, fitted on words and their n-grams.
        target: an empty folder.
    """
    facts, parts = vars(vectorizer), [vars(part) for part in vars(model)["calibrated_classifiers_"]]
    terms = sorted(facts["vocabulary_"], key=facts["vocabulary_"].__getitem__)
    lines = [vars(part["estimator"]) for part in parts]
    sigmoids = [vars(part["calibrators"][0]) for part in parts]
    tensors: dict[str, NDArray[np.float64]] = {
        "idf": _idf(vars(facts["_tfidf"])),
        "weights": np.concatenate([line["coef_"] for line in lines]).astype(np.float64),  # [parts, terms]
        "intercepts": np.concatenate([np.ravel(line["intercept_"]) for line in lines]).astype(np.float64),
        "slopes": np.array([sigmoid["a_"] for sigmoid in sigmoids], dtype=np.float64),
        "shifts": np.array([sigmoid["b_"] for sigmoid in sigmoids], dtype=np.float64),
    }
    if tensors["idf"].shape != (len(terms),) or tensors["weights"].shape != (len(parts), len(terms)):
        raise RefusedError("terms and weights do not fit together")
    keys = ("lowercase", "stop_words", "token_pattern", "strip_accents", "analyzer", "binary")
    settings = {key: facts[key] for key in keys}
    settings |= {"ngram_range": list(facts["ngram_range"])}
    settings |= {key: vars(facts["_tfidf"])[key] for key in ("norm", "use_idf", "smooth_idf", "sublinear_tf")}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, target / WEIGHTS)
    write_json(target / CONFIG, {"settings": settings, "terms": terms}, indent=None)


def _idf(facts: dict[str, Any]) -> NDArray[np.float64]:
    return np.asarray(facts["idf_"], dtype=np.float64)


if __name__ == "__main__":
    place, *pairs = sys.argv[1:]
    try:
        model, vectorizer = map(read, map(Path, pairs[::2]), pairs[1::2])
        convert(model, vectorizer, Path(place))
    except RefusedError as error:
        sys.exit(f"refused: {error}")
