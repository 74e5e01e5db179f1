// Texts of AttackPlayground in both languages.
import type { Language } from "../../base/strings";
import { en } from "./en";
import { zh, type Strings } from "./zh";

export type { Strings };
export const STRINGS: Record<Language, Strings> = { zh, en };
