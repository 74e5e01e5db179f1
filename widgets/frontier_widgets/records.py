"""What a figure shows as rows, and as a pandas table where there is pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Records:
    """A figure whose numbers can be read back."""

    def to_records(self) -> list[dict[str, Any]]:
        """One dictionary a row."""
        raise NotImplementedError(f"{type(self).__name__}.to_records")

    def to_frame(self) -> pd.DataFrame:
        """:meth:`to_records` as a pandas table.

        Raises:
            ImportError: pandas is not installed; ``to_records`` needs nothing.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "to_frame needs pandas (pip install pandas); to_records() gives the same rows without it"
            ) from error
        return pd.DataFrame.from_records(self.to_records())
