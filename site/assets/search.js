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
      return !anchor && title.toLowerCase().includes(query) ? score + 1 : score;
    };
  };
  document.addEventListener("DOMContentLoaded", nameTermsByEitherLanguage);
})();
