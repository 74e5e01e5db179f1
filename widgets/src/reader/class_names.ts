// Names of the classes of the book's sentence classifiers, which are groups of the Bible's books.
import type { Language } from "../base/strings";

const NAMES: Record<Language, Record<string, string>> = {
  zh: {
    law: "律法",
    history: "历史",
    poetry: "诗歌",
    prophets: "先知",
    gospels: "福音",
    letters: "书信",
  },
  en: {},
};

/** A class as it is shown; its own name where there is no other. */
export const className = (language: Language, label: string): string => NAMES[language][label] ?? label;
