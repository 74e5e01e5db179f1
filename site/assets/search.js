// Sphinx leaves a Chinese query in one piece, and its index holds words. Split the query with the index's own words:
// fewest unknown characters first, then fewest words. Written by hand because Sphinx's searchtools offers this function
// as its extension point and brings none for Chinese.
(() => {
  "use strict";
  const HAN = /\p{Script=Han}/u;
  const LONGEST = 12; // characters of a word of the index that are tried

  const known = (word) => {
    const { terms, titleterms } = Search._index;
    return Object.hasOwn(terms, word) || Object.hasOwn(titleterms, word);
  };

  // Sphinx does not insist on words of one or two letters. A word that the book does not have must find nothing.
  const unknownWord = (word) => word.padEnd(3, word);

  const chineseWords = (run) => {
    if (typeof Search === "undefined" || !Search._index) return [run];
    const best = [{ unknown: 0, words: [] }]; // the best split of the first n characters
    for (let end = 1; end <= run.length; end++) {
      for (let start = Math.max(0, end - LONGEST); start < end; start++) {
        const word = run.slice(start, end);
        const hit = known(word);
        if (!hit && word.length > 1) continue;
        const unknown = best[start].unknown + (hit ? 0 : 1);
        const words = hit && word.length > 1 ? [...best[start].words, word] : best[start].words;
        const old = best[end];
        if (!old || unknown < old.unknown || (unknown === old.unknown && words.length < old.words.length))
          best[end] = { unknown, words };
      }
    }
    const { unknown, words } = best[run.length];
    return words.length && unknown <= run.length / 2 ? words : [unknownWord(run)];
  };

  window.splitQuery = (query) => {
    const runs = query
      .split(/[^\p{Letter}\p{Number}_]+/gu)
      .flatMap((part) => part.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu) ?? []);
    const words = runs.flatMap((run) => (HAN.test(run) ? chineseWords(run) : [run]));
    const long = words.filter((word) => word.length > 1); // the index has no single letters: the k of top-k
    return long.length ? long : words;
  };

  // The index's tables are plain objects, and those have a "constructor" and a "__proto__" by birth, which Sphinx takes
  // for a word of the book. It asks the tables themselves for `hasOwnProperty`, so that alone stays.
  const { hasOwnProperty } = Object.prototype;
  const NOTHING = Object.create(null, { hasOwnProperty: { value: hasOwnProperty } });
  const holdNothingByBirth = () => {
    for (const name of ["terms", "titleterms"]) Object.setPrototypeOf(Search._index[name], NOTHING);
  };

  // The index has the glossary's terms as the page shows them, "词元（token）"; a reader types one of the names.
  const nameTermsByEitherLanguage = () => {
    const { indexentries } = Search._index;
    for (const [entry, places] of Object.entries(indexentries)) {
      const names = entry.split(/[（），,]/).map((name) => name.trim());
      for (const name of names) if (name && !Object.hasOwn(indexentries, name)) indexentries[name] = places;
    }
    // Sphinx ranks a term's definition far above every page. Here it follows the pages whose own title has the query,
    // and leads those that have it in a heading or in their text (at most Scorer.title).
    const query = (new URLSearchParams(location.search).get("q") ?? "").toLowerCase().trim();
    Scorer.score = ([, title, anchor, , score]) => {
      if (anchor.startsWith("#term-")) return ((Scorer.title + 0.5) * score) / 100;
      // A heading that is the query stands before a page that has one word of it in some heading.
      if (title.toLowerCase().endsWith(`> ${query}`)) return score + 0.25;
      return !anchor && title.toLowerCase().includes(query) ? score + 1 : score;
    };
  };

  // A search that fails must not look like one that is still at work.
  const FAILED = document.documentElement.lang.startsWith("zh")
    ? ["搜索没能完成", "请刷新页面再试一次，或从目录里找。"]
    : ["The search did not finish", "Reload the page to try again, or look in the contents."];
  const sayFailed = () => {
    const place = document.getElementById("search-results");
    if (!place || place.querySelector(".search-summary")?.textContent) return; // the results are there
    if (typeof Search !== "undefined") Search.stopPulse();
    const [title, advice] = ["h2", "p"].map((tag) => place.querySelector(tag) ?? place.appendChild(document.createElement(tag)));
    [title.textContent, advice.textContent] = FAILED;
  };
  const asked = () => new URLSearchParams(location.search).get("q");
  // Scripts that were not loaded send their error to themselves alone, which only a capturing listener sees.
  window.addEventListener("error", () => asked() && document.readyState !== "loading" && sayFailed(), true);
  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Search === "undefined" || !Search.hasIndex()) {
      // After Sphinx has put up its "Searching", if it is there to do so.
      if (asked()) window.addEventListener("load", sayFailed);
      return;
    }
    holdNothingByBirth();
    nameTermsByEitherLanguage();
  });
})();
