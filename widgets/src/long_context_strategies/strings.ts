// Texts of LongContextStrategies.
import type { Language } from "../base/strings";
import { en } from "./strings/en";
import { zh, type LongContextStrings } from "./strings/zh";

export type { LongContextStrings };
export const STRINGS: Record<Language, LongContextStrings> = { zh, en };
