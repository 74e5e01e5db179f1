"""Numbers in a sentence, held against those of the claims that the sentence carries.

A number of a marked sentence is one of its claims' (value, interval, n, bound, baseline, further values),
equal at the precision at which the sentence gives it. Years, sections, versions and names are not counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from frontier_lab.claims import UNITS
from frontier_lab.claims.estimates import NULLS
from frontier_lab.claims.ledger import Record

NAMES = (
    *(
        "Llama",
        "GPT",
        "Phi",
        "Qwen",
        "Gemma",
        "Mistral",
        "Mixtral",
        "DeepSeek",
        "Mamba",
        "RWKV",
        "Kimi",
        "GLM",
    ),
    *(
        "MiniMax",
        "OLMo",
        "Claude",
        "Gemini",
        "BERT",
        "SmolLM",
        "Pythia",
        "Longformer",
        "LongRoPE",
        "LongBench",
    ),
    *("PyTorch", "Python", "[Tt]ransformers", "CUDA", "Colab"),
)
"""What is followed by a version."""
MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
YEAR = r"(?:19[89]\d|20[0-3]\d)"
NOT_COUNTED = re.compile(
    "|".join(
        (
            rf"\b(?:{'|'.join(NAMES)})[\s-]?v?\d+(?:\.\d+)*[\w.-]*",
            r"[A-Za-z]\w*[-@]\d+(?:\.\d+)?\w*",  # top-5, recall@5, GPT-2, INT-8
            r"(?<![A-Za-z\d.])[A-Za-z]+\d+(?:\.\d+)*\w*",  # int8, H200, Qwen2.5
            rf"{MONTHS}\s+(?:\d{{1,2}},?\s+)?{YEAR}|\d{{1,2}}\s+{MONTHS}\s+{YEAR}",
            rf"{YEAR}\s*年(?:\s*\d{{1,2}}\s*月(?:\s*\d{{1,2}}\s*日)?)?|\d{{1,2}}\s*月(?:\s*\d{{1,2}}\s*日)?",
            rf"(?<![\d.,]){YEAR}(?![\d.,%]*\d|\s*(?:%|个|步|段|词元|tokens?|steps?|texts?|needles?))",
            r"(?<![\d.])\d+\.\d+\.\d+(?:-\d+)?(?![\d.])",
            r"(?<![\d.])28\.\d(?![\d%])",
            r"第\s*[\d.]+\s*[章节页]|(?:[图表式]|[Ff]ig(?:ure)?|[Tt]able|[Ss]ection|[Cc]hapter|[Ee]q)\.?\s*\d+(?:\.\d+)*",
            r"(?<![\w.])\d+-?D\b|\b\d+(?:st|nd|rd|th)\b",
        )
    )
)
SCALES = {"%": 0.01, "％": 0.01, "个百分点": 0.01, "百分点": 0.01, "万": 1e4, "亿": 1e8, "k": 1e3, "K": 1e3}
SCALES |= dict.fromkeys(("percent", "percentage point", "percentage points", "points", "point"), 0.01)
SCALES |= {"M": 1e6, "B": 1e9}
SCALE = r"%|％|个?百分点|percent(?:age points?)?|points?\b|[万亿]|[kKMB](?![A-Za-z])"
NUMBER = re.compile(
    rf"(?<![\w.,])(?P<sign>[+\-−])?(?P<digits>(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?)"
    rf"(?:\s*/\s*(?P<under>\d+(?:\.\d+)?)(?![\d.]))?(?:\s*(?P<scale>{SCALE}))?",
    re.ASCII,
)
"""``\\w`` is ASCII here: Chinese stands next to a number, a Latin letter makes it a name."""

MORE = {
    "zh": r"(?<![最至不])(?:高|多|大|升|涨|增|增加|上升|提高)(?:出|了|出了)?",
    "en": r"(?:rises?|rose|gain(?:s|ed)?|increase[sd]?|up|higher|more|greater|grows?|grew)(?: by)?",
}
LESS = {
    "zh": r"(?<![最至不])(?:低|少|小|降|跌|减|丢|掉|减少|下降|降低)(?:出|了|出了)?",
    "en": r"(?:falls?|fell|drop(?:s|ped)?|loses?|lost|decrease[sd]?|down|lower|less|fewer)(?: by)?",
}
MORE_AFTER = {"zh": r"更高|更多|更大", "en": r"higher|more|greater|larger|above"}
LESS_AFTER = {"zh": r"更低|更少|更小", "en": r"lower|less|fewer|smaller|below"}
NEGATIVE = {
    "zh": re.compile(r"[低少小降跌减丢掉短慢快负]"),
    "en": re.compile(
        r"\b(?:low|less|few|small|fall|fell|drop|los[ets]|decreas|reduc|cost|below|under|short|fast|slow|negative|cut|sav)",
        re.I,
    ),
}
"""Words one of which a sentence needs that gives a negative number without its sign."""
ABOUT = {"zh": r"(?:\s|约|大约|大概)*$", "en": r"(?:\s|about|some|roughly)*$"}
OVER = {
    "zh": r"(?<!不)(?:超过|超出|大于|高于|多于)|不少于|不低于|不小于|至少",
    "en": r"(?<!no )(?:(?:more|greater|larger|higher) than|over|above|exceeds?)|at least|no less than|[>≥]",
}
UNDER = {
    "zh": r"不到|不足|不超过|不大于|不高于|不多于|小于|低于|少于|至多",
    "en": r"(?<!no )(?:(?:less|fewer|smaller|lower) than|below|under|within)|at most|no more than|[<≤]",
}
WORDS = {
    "zh": re.compile(
        r"[一二三四五六七八九两几][成](?![为功立本就长员分型])|[一二两三四五六七八九十百几数]+倍|一半|半数|过半|大半|对半"
        r"|[一二三四五六七八九十百]+分之[一二三四五六七八九十]|翻[番倍]|减半|加倍"
    ),
    "en": re.compile(
        r"\b(?:half|halves|twice|thrice|(?:doubl|tripl)(?:e[sd]?|ing)|(?:two|three|four|five|ten)[- ]?fold"
        r"|(?:two|three|four|five|six|eight|ten|several|many) times|one in (?:two|three|four|five|ten)"
        r"|(?:a|one|two|three) (?:third|quarter|fifth|tenth)s?|nine tenths|dozens?)\b",
        re.I,
    ),
}
"""Numbers in words, which cannot be compared."""


@dataclass(frozen=True)
class Number:
    """A number as a sentence gives it: ``95 %`` has the value 0.95 and the precision 0.005."""

    shown: str
    value: float
    half: float
    signed: bool
    whole: bool
    before: str
    after: str


def numbers(words: str) -> list[Number]:
    """Those of a sentence, in order, with the words around each."""
    text = NOT_COUNTED.sub(lambda match: "\x00" * len(match[0]), words)
    found = []
    for match in NUMBER.finditer(text):
        digits = match["digits"].replace(",", "")
        decimals = len(digits.partition(".")[2])
        scale = SCALES[match["scale"]] if match["scale"] else 1.0
        value = float(digits) * scale
        if match["under"]:
            value /= float(match["under"]) or math.nan
        found.append(
            Number(
                match[0].strip(),
                -value if match["sign"] in ("-", "−") else value,
                0.005 if match["under"] else 0.5 * 10**-decimals * scale,
                match["sign"] is not None,
                decimals == 0 and scale == 1 and not match["under"],
                words[max(0, match.start() - 24) : match.start()],
                words[match.end() : match.end() + 24],
            )
        )
    return found


@dataclass(frozen=True)
class Known:
    """A number that a claim has: what it is called, and whose it is."""

    value: float
    what: str
    record: Record


def known(records: Sequence[Record]) -> Iterator[Known]:
    """Every number of the claims."""
    for record in records:
        claim, found = record.claim, record.claim.estimate
        named = {"value": found.value, "low": found.low, "high": found.high, "detectable": found.detectable}
        named |= {"bound": claim.bounds.low, "upper bound": claim.bounds.high, "baseline": claim.baseline}
        named |= {"n": found.n} if found.n else {}
        named |= {f"value {name}": value for name, value in claim.values.items()}
        for what, value in named.items():
            if value is not None and math.isfinite(value):
                yield Known(float(value), what, record)


def is_same(number: Number, value: float) -> bool:
    """Whether a number of a claim reads so at the sentence's precision.

    A whole number below ten is no rounded one: a 1 would be everything from one half to one and a half.
    """
    if not number.signed:
        value = abs(value)
    if number.whole and (abs(number.value) < 10 or value.is_integer()):
        return number.value == value
    return abs(number.value - value) <= number.half * (1 + 1e-9) + 1e-12


def matches(number: Number, records: Sequence[Record]) -> list[Known]:
    """The numbers of the claims that a sentence's number can be; a percentage may be kept as one."""
    found = []
    for one in known(records):
        as_percent = re.search(r"%|％|百分点|point|percent", number.shown) and is_same(
            number, one.value / 100
        )
        if is_same(number, one.value) or as_percent:
            found.append(one)
    return found


def unit_after(number: Number, language: str) -> str | None:
    """The key of the unit that a number counts, if it counts one."""
    names = {key: zh if language == "zh" else en for key, (zh, en) in UNITS.items()}
    text = number.after.lstrip()
    for key in sorted(names, key=lambda key: -len(names[key])):
        if language == "zh":
            pattern = rf"(?:{re.escape(names[key])})(?!元)"
        else:
            pattern = rf"(?:independent )?(?:{re.escape(names[key])}|{re.escape(key)})\b"
        if re.match(pattern, text):
            return key
    return None


def _side(number: Number, language: str, before: str, after: str) -> bool:
    """Whether words for more, or for less, stand right before or after a number."""
    filler = r"\s*(?:nats?|nat|个百分点|倍|times)?\s*"
    alone = r"(?<!\w)" if language == "en" else ""
    start = rf"{alone}(?:{before}){ABOUT[language]}"
    flags = re.I if language == "en" else 0
    return bool(
        re.search(start, number.before, flags)
        or (after and re.match(rf"{filler}(?:{after})", number.after, flags))
    )


def wrong_direction(number: Number, one: Known, words: str, language: str) -> str | None:
    """What is wrong with the sign of a number, or with the side of a bound that it is said to be on."""
    claim = one.record.claim
    method = claim.estimate.method
    if one.what in ("value", "low", "high") and not number.signed and NULLS[method] == 0:
        more = _side(number, language, MORE[language], MORE_AFTER[language])
        less = _side(number, language, LESS[language], LESS_AFTER[language])
        if one.value < 0 and (more or not NEGATIVE[language].search(words)):
            return f"{number.shown} reads as more, and the estimate is {one.value:g}"
        if one.value > 0 and less and not more and method != "t":  # a mean may fall to it
            return f"{number.shown} reads as less, and the estimate is {one.value:g}"
    if one.what in ("bound", "upper bound"):
        over = _side(number, language, OVER[language], "以上" if language == "zh" else "")
        under = _side(number, language, UNDER[language], "以[下内]|之内" if language == "zh" else "")
        is_upper = one.what == "upper bound" or claim.bounds.is_absolute
        if over if is_upper else under:
            return f"{number.shown} is said to be on the other side than in {claim.statement!r}"
    return None


def faults(words: str, records: Sequence[Record], language: str) -> list[str]:
    """What is wrong with the numbers of a sentence that carries these claims.

    Args:
        words: of the sentence, without code, formulas and roles.
        records: the claims of its marks.
        language: ``zh`` or ``en``.
    """
    found = []
    names = ", ".join(record.name for record in records)
    for number in numbers(words):
        same = matches(number, records)
        unit = unit_after(number, language)
        if not same:
            found.append(f"{number.shown} is no number of {names}")
        elif all(wrong := [wrong_direction(number, one, words, language) for one in same]):
            found.append(str(wrong[0]))
        elif unit and not any(
            one.what.startswith("value ") or (one.what == "n" and one.record.claim.estimate.unit == unit)
            for one in same
        ):
            units = {UNITS[record.claim.estimate.unit][1] for record in records if record.claim.estimate.n}
            found.append(
                f"{number.shown} {UNITS[unit][1]}: {names} is over {', '.join(sorted(units)) or 'none'}"
            )
    for match in WORDS[language].finditer(words):
        found.append(f"{match[0]!r} is a number in words: write it in digits")
    if language == "zh":
        counted = {UNITS[record.claim.estimate.unit][0] for record in records if record.claim.estimate.n}
        for match in re.finditer(rf"[二两三四五六七八九十百]+(?:{'|'.join(counted) or '$'})(?!元)", words):
            found.append(f"{match[0]!r} is a number in words: write it in digits")
    return found
