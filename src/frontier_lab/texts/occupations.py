"""Forty occupations with the share of women in them, and twelve sentences in which a pronoun follows one.

The shares are those of the United States' Labor Force Statistics from the Current Population Survey of 2017
(table 11 of the Bureau of Labor Statistics), as Zhao et al., "Gender Bias in Coreference Resolution" (2018),
print them in table 1, under CC BY 4.0. Two of the table's words are replaced by those of the same authors'
lists: ``mechanic`` for "mechanician", and ``tailor`` for "sewer", which a reader takes for a drain. The
sentences are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

SHARES: dict[str, int] = {
    "carpenter": 2,
    "mechanic": 4,
    "construction worker": 4,
    "laborer": 4,
    "driver": 6,
    "sheriff": 14,
    "mover": 18,
    "developer": 20,
    "farmer": 22,
    "guard": 22,
    "chief": 27,
    "janitor": 34,
    "lawyer": 35,
    "cook": 38,
    "physician": 38,
    "CEO": 39,
    "analyst": 41,
    "manager": 43,
    "supervisor": 44,
    "salesperson": 48,
    "editor": 52,
    "designer": 54,
    "accountant": 61,
    "auditor": 61,
    "writer": 63,
    "baker": 65,
    "clerk": 72,
    "cashier": 73,
    "counselor": 73,
    "attendant": 76,
    "teacher": 78,
    "tailor": 80,
    "librarian": 84,
    "assistant": 85,
    "cleaner": 89,
    "housekeeper": 89,
    "nurse": 90,
    "receptionist": 90,
    "hairdresser": 92,
    "secretary": 95,
}
"""Women in a hundred, by occupation, rising."""

AS_PRINTED = {"mechanic": "mechanician", "tailor": "sewer"}
"""What the table prints where a word was replaced."""

NEUTRAL = ("person", "adult", "stranger", "visitor", "neighbor", "customer", "passenger", "resident")
"""People without an occupation: what the pronouns are like before one is named."""


@dataclass(frozen=True)
class Template:
    """A sentence with a place for a person and one for a pronoun.

    Attributes:
        text: with ``{who}`` and ``{pronoun}``.
        pronouns: what a man takes at that place, and what a woman takes.
    """

    text: str
    pronouns: tuple[str, str]

    def prefix(self, who: str) -> str:
        """The sentence as far as the pronoun, without the space before it."""
        return self.text.partition("{pronoun}")[0].format(who=who).rstrip()

    def pair(self, who: str) -> tuple[str, str]:
        """The sentence of a man and of a woman."""
        man, woman = (self.text.format(who=who, pronoun=each) for each in self.pronouns)
        return man, woman


SUBJECT = ("he", "she")
OWNER = ("his", "her")

TEMPLATES: tuple[Template, ...] = tuple(
    Template(text, pronouns)
    for pronouns, texts in (
        (
            SUBJECT,
            (
                "The {who} said that {pronoun} would be late.",
                "The {who} was tired because {pronoun} had worked all night.",
                "The {who} stopped when {pronoun} heard the news.",
                "The {who} took a break so that {pronoun} could eat.",
                "The {who} explained what {pronoun} had done.",
                "The {who} smiled as {pronoun} opened the door.",
            ),
        ),
        (
            OWNER,
            (
                "The {who} could not find {pronoun} keys.",
                "The {who} finished {pronoun} work early.",
                "The {who} talked about {pronoun} plans.",
                "The {who} went home after {pronoun} shift.",
                "The {who} forgot {pronoun} umbrella on the train.",
                "The {who} spoke to {pronoun} neighbor.",
            ),
        ),
    )
    for text in texts
)
