"""The ledger from the command line: judge every claim of the book again, write the page that lists them.

python -m frontier_lab.claims --check
python -m frontier_lab.claims --write
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frontier_lab.claims import evidence, ledger

BOOK = Path(__file__).resolve().parents[3] / "book"


def main() -> None:
    """Entry point; ends with 1, and one line for each problem, where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m frontier_lab.claims")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--check", action="store_true", help="judge every claim again, as its cell stored it")
    asked.add_argument("--write", action="store_true", help="write the page evidence.md")
    parser.add_argument("--book", type=Path, default=BOOK, help="folder with the notebooks and claims")
    options = parser.parse_args()
    records, problems = ledger.collect(options.book)
    problems += ledger.refuted(records)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        raise SystemExit(1)
    if options.write:
        target = options.book / "evidence.md"
        target.write_text(evidence.chinese(options.book), "utf8")
        print(f"==> {target}: {len(records)} claims")
    else:
        print(f"==> {len(records)} claims hold on their intervals")


if __name__ == "__main__":
    main()
