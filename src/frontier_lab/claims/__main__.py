"""``python -m frontier_lab.claims --check``: judge every claim of the book again, as its cell stored it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frontier_lab.claims import ledger

BOOK = Path(__file__).resolve().parents[3] / "book"


def main() -> None:
    """Entry point; ends with 1, and one line for each problem, where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m frontier_lab.claims", description=__doc__)
    parser.add_argument("--check", action="store_true", help="judge every claim again")
    parser.add_argument("--book", type=Path, default=BOOK, help="folder with the notebooks and claims")
    options = parser.parse_args()
    records, problems = ledger.collect(options.book)
    problems += ledger.refuted(records)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        raise SystemExit(1)
    print(f"==> {len(records)} claims hold on their intervals")


if __name__ == "__main__":
    main()
