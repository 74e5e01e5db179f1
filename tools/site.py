"""Build the book's site: ``build``, ``messages``, ``claims``, ``zip``, ``serve``.

Both languages come from the same notebooks. Chinese is the source; English is the same build with the message
catalogues in ``site/locale/en``, which must be complete: a missing, fuzzy or left-over string stops it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import http.server
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from frontier_lab.claims import evidence
from frontier_lab.claims.ledger import LedgerError
from tools.notebooks import repository_url

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
WORK = BUILD / "work"
SITE = BUILD / "html"
STAMP = WORK / "stamp"
LOCALE = ROOT / "site" / "locale" / "en" / "LC_MESSAGES"
FRAME = ROOT / "site" / "locale" / "zh_CN" / "LC_MESSAGES"
"""Chinese for the words of the page's frame, which are English in the templates."""
RECORD = "frontier-inputs.txt"
"""In each build's folder: the files of the repository that it read (``site/inputs.py``)."""
INPUTS = (
    *("book", "site", "widgets/frontier_widgets", "_config.yml", "requirements.txt"),
    *("tools/__init__.py", "tools/site.py", "tools/notebooks.py"),
)
"""Where a new file is an input before any build has read it; all others are known from the record."""
IGNORED = {"__pycache__", ".ipynb_checkpoints"}
BUILD_SECONDS = 300
"""A build of one language takes some seconds; one that hangs must not hold a check for ever."""

HAN = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff01-\uff60]")  # and full-width punctuation
QUOTED = re.compile(r'"[^"]*"')
"""In a line of code, perhaps a poem that the model reads: it stays Chinese."""
TERM = re.compile(r"^([^\s（(:`#][^（(\n]*)", re.M)
"""A line of the glossary that is not indented: the term before its English."""

ENGLISH: dict[str, Any] = {
    "title": "Frontier Transformers",
    "sphinx": {
        "config": {
            "language": "en",
            "nb_code_prompt_show": "Show code",
            "nb_code_prompt_hide": "Hide code",
            "togglebutton_hint": "Show",
            "togglebutton_hint_hide": "Hide",
            "html_theme_options": {
                "search_bar_text": "Search this book…",
                "toc_title": "On this page",
                "logo": {"text": "Frontier Transformers"},
                "extra_footer": "Code: Apache-2.0. Text and figures: CC BY 4.0.",
            },
        }
    },
}
"""What differs from ``_config.yml`` in the English build."""


def fail(message: str) -> NoReturn:
    """End with one line that says what to do."""
    raise SystemExit(f"error: {message}")


def inputs() -> Iterator[Path]:
    """Every file that the site is made from: those of ``INPUTS``, and what the last build read besides."""
    listed = []
    for name in INPUTS:
        place = ROOT / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        listed += [f for f in files if f.is_file() and f.suffix != ".mo" and not IGNORED & set(f.parts)]
    yield from listed
    read = {
        ROOT / line for file in WORK.glob(f"*/_build/**/{RECORD}") for line in file.read_text("utf8").split()
    }
    yield from sorted(read.difference(listed))


def contents() -> dict[str, str]:
    """A hash of each input by its path."""
    return {
        file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        if file.is_file()
        else ""
        for file in inputs()
    }


def fingerprint() -> str:
    """Changes when the site has to be built again."""
    digest = hashlib.sha256(repository_url().encode())
    for name, content in contents().items():
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``change`` put in, dictionaries joined."""
    joined = dict(base)
    for key, value in change.items():
        old = joined.get(key)
        joined[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return joined


def glossary_words() -> str:
    """The glossary's Chinese terms, for the search's segmenter, which knows none of the field's words."""
    glossary = (ROOT / "book" / "glossary.md").read_text("utf8")
    words = sorted({term.strip() for term in TERM.findall(glossary) if HAN.search(term)})
    return "".join(f"{word} 100 n\n" for word in words if " " not in word)


def write_config(language: str, target: Path) -> Path:
    """The configuration of one language, with the repository's address."""
    words = target.with_suffix(".words.txt")
    words.parent.mkdir(parents=True, exist_ok=True)
    words.write_text(glossary_words(), "utf8")
    if language == "zh":
        locale = target.with_suffix(".locale")
        compile_catalogues(read_translations(FRAME), locale / "zh_CN")
    else:
        locale = WORK / "locale"  # see `english`
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    change: dict[str, Any] = {
        "sphinx": {
            "local_extensions": {"frontier_site": str(ROOT / "site")},
            "config": {
                "frontier_repository": repository_url(),
                "locale_dirs": [str(locale)],
                "html_search_options": {"dict": str(words)},
            },
        }
    }
    config = merge(config, change)
    if language == "en":
        config = merge(config, ENGLISH)
    target.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "utf8")
    return target


def sphinx(language: str, *options: str, output: str | None = None) -> Path:
    """Run jupyter-book for one language, from nothing; warnings are errors.

    Returns:
        The folder that it wrote to.

    Raises:
        SystemExit: it failed; its warnings are printed.
    """
    place = WORK / (output or language)
    shutil.rmtree(place, ignore_errors=True)
    config = write_config(language, place.with_suffix(".yml"))
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT / "book")]
    command += ["-W", "-n", "--keep-going", "--config", str(config), "--path-output", str(place), *options]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("SOURCE_DATE_EPOCH", None)  # Sphinx would write its year into the copyright line
    log = place.with_suffix(".log")
    with log.open("wb") as out:  # not a pipe: the formula server could outlive Sphinx and keep a pipe open
        building = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = building.wait(BUILD_SECONDS)
        except subprocess.TimeoutExpired:
            fail(f"the {output or language} build took more than {BUILD_SECONDS} s: see {log}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(building.pid, signal.SIGTERM)
    if code:
        lines = [line for line in log.read_text("utf8", "replace").splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"WARNING|ERROR|[Ee]xception|rror:", line)]
        if language == "en":
            telling = [translated_at(line) for line in telling]
        print("\n".join(telling[:40] or lines[-40:]), file=sys.stderr)
        fail(f"the {output or language} build failed: mend what is named above and run again")
    return place / "_build"


# ---- translation -------------------------------------------------------------------------------------------


def extract() -> dict[str, Catalog]:
    """Every string to translate, by catalogue name such as ``28-2-efficient/index``.

    The catalogue ``sphinx``, the words of the page templates, is English already (see ``site/locale/zh_CN``).
    """
    made = sphinx("zh", "--builder", "custom", "--custom-builder", "gettext", output="gettext") / "gettext"
    found = {}
    for file in sorted(file for file in made.rglob("*.pot") if file.stem != "sphinx"):
        with file.open("rb") as stream:
            found[file.relative_to(made).with_suffix("").as_posix()] = read_po(stream)
    return found


PO_LINE = re.compile(r'(?:(msgid|msgstr) )?"((?:[^"\\]|\\[nrt"\\])*)"')


def faults(text: str) -> Iterator[tuple[int, str]]:
    """What is wrong with the text of a catalogue: line and reason.

    Written by hand: Babel reads leniently (a string without its closing quote loses its last letter, of two
    entries for one string the last wins), and gettext's ``msgfmt -c`` is not on every machine.
    """
    entries: dict[str, int] = {}
    keyword, begun, string = "msgstr", 0, ""
    for number, line in enumerate([*text.split("\n"), 'msgid "the end"'], 1):
        if not line or line.startswith("#"):
            continue
        match = PO_LINE.fullmatch(line)
        if not match:
            yield number, f'got {line[:60]!r}, wanted msgid "…", msgstr "…", "…" or a comment'
            if (word := line.partition(" ")[0]) in ("msgid", "msgstr"):
                keyword, begun, string = word, number, f"(line {number})"
            continue
        if match[1] is None:
            string += match[2]
            continue
        if match[1] == keyword:
            missing = {"msgid": "msgstr", "msgstr": "msgid"}[keyword]
            yield number, f"got {keyword} again, wanted the {missing} of line {begun}"
        if match[1] == "msgstr":
            if string in entries:
                yield begun, f"the string of line {entries[string]} once more: keep one of the two"
            entries.setdefault(string, begun)
        keyword, begun, string = match[1], number, match[2]


def read_translations(folder: Path = LOCALE) -> dict[str, Catalog]:
    """The catalogues of a folder; the English ones unless another is named.

    Raises:
        SystemExit: a file is damaged; each place is printed.
    """
    found, damaged = {}, []
    for file in sorted(folder.rglob("*.po")):
        content = file.read_bytes()
        name = os.path.relpath(file, ROOT)
        try:
            damaged += [f"{name}:{line}: {reason}" for line, reason in faults(content.decode("utf8"))]
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            damaged.append(f"{name}:{line}: got bytes that are not UTF-8, wanted text in UTF-8")
        if not damaged:
            found[file.relative_to(folder).with_suffix("").as_posix()] = read_po(io.BytesIO(content))
    if damaged:
        print("\n".join(damaged[:20]), file=sys.stderr)
        fail("a catalogue is damaged: mend what is named above and run again")
    return found


def translated_at(warning: str) -> str:
    """A warning of the English build, with the catalogue and line of the string that it is about.

    Sphinx names a line of the Chinese page, and the string to mend stands in its catalogue. It is found by
    what the warning quotes: in a translation before a source, because there the fault was made.
    """
    page = re.search(r"/book/([^:]+)\.(?:ipynb|md):", warning)
    file = LOCALE / f"{page[1]}.po" if page else None
    if file is None or not file.is_file():
        return warning
    with file.open("rb") as stream:
        known = strings(read_po(stream))
    for quoted in re.findall(r"""(?<!\w)['"]([^'"]{2,})['"]""", warning):
        told = [m for m in known if quoted in str(m.string) and quoted not in str(m.id)]
        lost = [m for m in known if quoted in str(m.id) and quoted not in str(m.string)]
        if told or lost:
            return f"{warning}\n    (its English is {os.path.relpath(file, ROOT)}:{(told or lost)[0].lineno})"
    return warning


def strings(catalogue: Catalog) -> list[Message]:
    """The messages of a catalogue without its header."""
    return [message for message in catalogue if message.id]


def gaps(wanted: dict[str, Catalog], found: dict[str, Catalog], folder: Path = LOCALE) -> list[str]:
    """What is wrong with the translations, one line each: file, line, string, what to do."""
    problems = []
    for name, template in wanted.items():
        file = os.path.relpath(folder / f"{name}.po", ROOT)
        if name not in found:
            problems.append(f"{file}: there is no such file: run `make messages` and translate it")
            continue
        catalogue = found[name]
        for message in strings(template):
            here = catalogue.get(message.id)
            short = repr(str(message.id)[:50])
            if here is None:
                problems.append(f"{file}: {short} is not in it: run `make messages` and translate it")
            elif here.fuzzy:
                problems.append(f"{file}:{here.lineno}: {short} is fuzzy: correct it and take the mark away")
            elif not here.string:
                problems.append(f"{file}:{here.lineno}: {short} is not translated")
            elif str(here.id).startswith("\n") and here.string != here.id:
                # Sphinx would show `::` in its place: it hands it to the parser as a literal block of reST.
                problems.append(
                    f"{file}:{here.lineno}: {short} is a formula: keep words out, and leave it as it is"
                )
            elif here.string == here.id and HAN.search(QUOTED.sub("", str(here.id))):
                problems.append(f"{file}:{here.lineno}: {short} is its own translation, and Chinese")
        known = {message.id for message in strings(template)}
        for message in [*strings(catalogue), *catalogue.obsolete.values()]:
            if message.id not in known or message.id in catalogue.obsolete:
                line = f":{message.lineno}" if message.lineno else ""
                problems.append(f"{file}{line}: {str(message.id)[:50]!r} is left over: run `make messages`")
    for name in found.keys() - wanted.keys():
        file = os.path.relpath(folder / f"{name}.po", ROOT)
        problems.append(f"{file}: there is no such page: run `make messages`")
    return problems


def known_translations(page: str) -> Mapping[str, str]:
    """What a page says that has its English elsewhere: the cards of the models, and the ledger of claims."""
    if page == "evidence":
        return english_of_claims()
    if page != "appendix/models":
        return {}
    from frontier_lab import catalogue  # here: it loads torch, which building the site does not need

    return catalogue.english()


def english_of_claims() -> Mapping[str, str]:
    """English of the page that lists all claims; the titles of pages are those of their own catalogues."""
    found, titles = read_translations(), {}
    for name, title in evidence.titles(ROOT / "book").items():
        own = found.get(name) or found.get(f"{name}/index")
        if own and (message := own.get(title)) and message.string:
            titles[name] = str(message.string)
    try:
        return evidence.english(ROOT / "book", titles)
    except LedgerError as error:
        fail(f"the ledger of claims is not whole:\n{error}")


def updated(template: Catalog, old: Catalog, known: Mapping[str, str] | None = None) -> Catalog:
    """``old`` with the strings of ``template``: new ones empty, changed ones fuzzy, gone ones out.

    A string without Chinese (a formula, a name) is its own translation. Those in ``known`` have theirs from
    there, whatever ``old`` says.
    """
    old.update(template, no_fuzzy_matching=False, update_header_comment=False)
    fresh = Catalog(locale="en", header_comment="", fuzzy=False)
    for message in strings(template):
        now = old.get(message.id)
        text, flags = (now.string, now.flags) if now else ("", set())
        if known and message.id in known:
            text, flags = known[str(message.id)], set()
        elif not text and not HAN.search(str(message.id)):
            text = message.id
        kept = {flag for flag in flags if flag == "fuzzy" and text}
        added = fresh.add(message.id, text, flags=kept)
        added.flags = kept  # Babel guesses formats (`%`, `{}`) that prose does not have
    return fresh


def po_text(catalogue: Catalog) -> bytes:
    """A catalogue as it is committed, without header, dates and places: a difference is one of text."""
    stream = io.BytesIO()
    write_po(stream, catalogue, width=100, omit_header=True, sort_output=False)
    return stream.getvalue()


def messages() -> None:
    """Bring the committed catalogues up to date."""
    print("==> strings of the book", flush=True)
    found = read_translations()
    for name, template in extract().items():
        fresh = updated(template, found.pop(name, Catalog(locale="en")), known_translations(name))
        target = LOCALE / f"{name}.po"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(po_text(fresh))
        empty = sum(not message.string or message.fuzzy for message in strings(fresh))
        print(f"{target.relative_to(ROOT)}: {len(strings(fresh))} strings, {empty} to translate")
    for name in found:
        (LOCALE / f"{name}.po").unlink()
        print(f"{(LOCALE / name).relative_to(ROOT)}.po: removed, its page is gone")


def compile_catalogues(found: dict[str, Catalog], folder: Path) -> None:
    """Write the ``.mo`` files that Sphinx reads, away from the sources."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, catalogue in found.items():
        target = folder / "LC_MESSAGES" / f"{name}.mo"
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            write_mo(stream, catalogue)


# ---- the site ----------------------------------------------------------------------------------------------


def english() -> Path:
    """The English pages, once every string has its translation."""
    found = read_translations()
    problems = gaps(extract(), found)
    if problems:
        print("\n".join(problems[:20]), file=sys.stderr)
        more = f" (20 of {len(problems)} are shown)" if len(problems) > 20 else ""
        fail(f"the English site is not complete: mend what is named above{more} and run again")
    compile_catalogues(found, WORK / "locale" / "en")
    return sphinx("en") / "html"


def share(site: Path) -> None:
    """Let the English pages load the files of the Chinese ones where both are the same."""
    ours, theirs = site / "en" / "_static", site / "_static"
    same = set()
    for file in sorted(f for f in ours.rglob("*") if f.is_file()):
        name = file.relative_to(ours).as_posix()
        if (theirs / name).is_file() and (theirs / name).read_bytes() == file.read_bytes():
            same.add(name)
            file.unlink()
    for folder in sorted((f for f in ours.rglob("*") if f.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    reference = re.compile(r'((?:src|href)=")((?:\.\./)*)_static/([^"?#]+)')

    def point(match: re.Match[str]) -> str:
        up = "../" if match[3] in same else ""
        return f"{match[1]}{up}{match[2]}_static/{match[3]}"

    for page in (site / "en").rglob("*.html"):
        page.write_text(reference.sub(point, page.read_text("utf8")), "utf8")


def hold_to_claims(part: str = "") -> None:
    """Stop where the prose says other than the ledger of claims.

    Args:
        part: of the names of pages that are to have all their marks, whether or not they are whole yet.
    """
    sys.path.append(str(ROOT / "site"))  # the modules of the Sphinx extension
    import claims_in_prose

    if problems := claims_in_prose.problems(ROOT / "book", read_translations(), part):
        print("\n".join(problems), file=sys.stderr)
        fail(f"the prose and the ledger of claims part in {len(problems)} places: mend what is named above")


def make(target: Path) -> None:
    """Build both languages into ``target``, which is replaced when both are there."""
    print("==> the ledger of claims", flush=True)
    hold_to_claims()
    print("==> the Chinese site, and the strings of the English one", flush=True)
    with ThreadPoolExecutor(2) as pool:
        chinese_pages, english_pages = pool.submit(sphinx, "zh"), pool.submit(english)
        chinese = chinese_pages.result() / "html"
        print("==> the English site", flush=True)
        translated = english_pages.result()
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    unneeded = shutil.ignore_patterns(".buildinfo", "objects.inv")
    shutil.copytree(chinese, fresh, ignore=unneeded)
    shutil.copytree(translated, fresh / "en", ignore=unneeded)
    share(fresh)
    for source in fresh.rglob("_sources/**/*.md"):
        source.unlink()  # notebooks are there to download; a page of prose has no such button
    (fresh / ".nojekyll").touch()
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def build() -> None:
    """Both languages into ``_build/html``; nothing when no input has changed."""
    started = time.monotonic()
    if STAMP.exists() and STAMP.read_text("utf8") == fingerprint() and (SITE / "en" / "index.html").exists():
        print("==> the site is up to date")
    else:
        STAMP.unlink(missing_ok=True)
        before = contents()
        make(SITE)
        if (
            before.items() <= contents().items()
        ):  # a file that was saved meanwhile may have been read before that
            STAMP.write_text(fingerprint(), "utf8")  # now that it is known what was read
        print(f"==> the site is built, in {time.monotonic() - started:.0f} s")
    print(f"==> open {SITE / 'index.html'}")


def pack(site: Path = SITE, target: Path = BUILD / "offline.zip") -> None:
    """The site as one archive that opens from disk; the same site gives the same bytes."""
    if not (site / "index.html").exists():
        fail(f"{site} has no index.html: run `make book` first")
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(f for f in site.rglob("*") if f.is_file()):
            entry = zipfile.ZipInfo(f"frontier-transformers/{file.relative_to(site).as_posix()}")
            entry.external_attr = 0o644 << 16  # without it some programs unpack files that nobody may read
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    partial.replace(target)
    print(f"==> {target} ({target.stat().st_size / 1e6:.1f} MB)")


def serve() -> None:
    """The site on this machine, until interrupted."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    try:
        with http.server.ThreadingHTTPServer(("localhost", 8000), handler) as server:
            print("==> http://localhost:8000 (Ctrl-C ends it)", flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        print()
    except OSError as error:
        fail(f"port 8000 cannot be served ({error.strerror}): end what uses it and run again")


def main() -> None:
    """Entry point."""
    commands = {"build": build, "messages": messages, "zip": pack, "serve": serve, "claims": hold_to_claims}
    parser = argparse.ArgumentParser(description="Build the book's site.")
    parser.add_argument("command", choices=commands)
    parser.add_argument(
        "part", nargs="?", default="", help="claims: of pages that are to have all their marks"
    )
    options = parser.parse_args()
    chosen: Callable[[], None] = commands[options.command]
    if chosen is serve:
        serve()
        return
    if chosen is hold_to_claims:
        hold_to_claims(options.part)
        print("==> the prose says what the ledger of claims has")
        return
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:  # two builds at once would take each other's files away
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"==> another build is under way: waiting until it lets go of {lock.name}", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        chosen()


if __name__ == "__main__":
    main()
