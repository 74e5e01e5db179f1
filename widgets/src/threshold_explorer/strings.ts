// Texts of ThresholdExplorer.
import type { Language } from "../base/strings";
import { en } from "./strings/en";
import { zh, type Strings } from "./strings/zh";

export type { Strings, Told } from "./strings/zh";

export const STRINGS: Record<Language, Strings> = { zh, en };
