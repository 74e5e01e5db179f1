"""28.3.2: which products of three adapters' factors ``cat`` keeps, and which ``linear`` adds to them."""

from __future__ import annotations

from frontier_lab.diagrams.canvas import KNOWN, SMALL, STRANGE, WIDEST, Panel, diagram
from frontier_lab.plots import Drawing

CELL = 66.0
MIDDLE = WIDEST / 2
TOP = 96.0


def products(*, adapters: int = 3) -> Drawing:
    """Every factor ``B`` times every ``A``, twice: the products that ``cat`` sums, and those of ``linear``.

    Args:
        adapters: how many are put together.

    Raises:
        ValueError: there are fewer than two, or more than a phone has room for.
    """
    if not 2 <= adapters <= 3:
        raise ValueError(f"adapters: got {adapters}, wanted 2 or 3")
    crossed = adapters * (adapters - 1)
    return diagram(
        table(adapters, crosses=False),
        table(adapters, crosses=True),
        zh=f"两张乘积表，行是 {adapters} 个适配器的 B，列是它们的 A，格子是两者的乘积。"
        f"左表是 cat：只有对角线上的 {adapters} 个格子，每个 B 乘自己的 A。"
        f"右表是 linear：先把 B 相加、A 相加再相乘，{adapters * adapters} 个格子都有，"
        f"对角线之外的 {crossed} 个是 B 乘了别人的 A，叫交叉项。",
        en=f"Two tables of products. The rows are the B of {adapters} adapters, the columns their A, and a "
        f"cell is the product of the two. On the left, cat has only the {adapters} cells on the diagonal, "
        f"each B times its own A. On the right, linear adds the B, adds the A and multiplies then: it has "
        f"all {adapters * adapters} cells, and the {crossed} off the diagonal, where a B meets another "
        f"adapter's A, are cross terms.",
    )


def table(adapters: int, *, crosses: bool) -> Panel:
    """The products that one of the two has."""
    side = CELL * adapters
    left = (WIDEST - side) / 2 + 14
    panel = Panel(WIDEST, TOP + side + 62)
    panel.label(MIDDLE, 18, "linear：A、B 分别相加" if crosses else "cat：乘积相加", bold=True)
    panel.label(MIDDLE, 42, formula(adapters, crosses=crosses), size=SMALL)
    names = "₁₂₃"[:adapters]
    for number, name in enumerate(names):
        middle = (number + 0.5) * CELL
        panel.label(left + middle, TOP - 10, f"A{name}", size=SMALL, room=40)
        panel.label(left - 20, TOP + middle + 4, f"B{name}", size=SMALL, room=36)
        for other, column in enumerate(names):
            x, y = left + other * CELL + 3, TOP + number * CELL + 3
            if number == other:
                panel.box(x, y, CELL - 6, CELL - 6, f"B{name}A{column}", tone=KNOWN, filled=True, size=SMALL)
            elif crosses:
                panel.box(
                    x, y, CELL - 6, CELL - 6, f"B{name}A{column}", tone=STRANGE, filled=True, size=SMALL
                )
    base = TOP + side + 24
    panel.swatch(24, base, KNOWN, "自己的乘积", room=120)
    if crosses:
        panel.swatch(24, base + 26, STRANGE, f"交叉项：{adapters * (adapters - 1)} 个", room=240)
    return panel


def formula(adapters: int, *, crosses: bool) -> str:
    """What is added to the matrix, all weights 1."""
    names = "₁₂₃"[:adapters]
    if not crosses:
        return " + ".join(f"B{name}A{name}" for name in names)
    return f"({' + '.join(f'B{name}' for name in names)})({' + '.join(f'A{name}' for name in names)})"
