// The script of pages with claims: cards for their marks. A classic script, as file:// wants it, and small:
// what measures a claim again is another one, which is added when a reader asks for it.
import { pickLanguage } from "../base/strings";
import { Cards } from "./card";
import { STRINGS } from "./strings";

const own = document.currentScript;
const page = window as { frontierStatic?: string };
if (own instanceof HTMLScriptElement && own.src) page.frontierStatic ??= new URL(".", own.src).href;

new Cards(document.body, STRINGS[pickLanguage(undefined)]).start();
document.documentElement.dataset.claims = "ready";
