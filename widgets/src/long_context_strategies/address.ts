// A link to what a figure shows: `#lcs=2&kind=window&…` is the second figure of the page with these choices.
import type { AnyModel } from "../base/afm";
import { setTraits, traitsOf } from "../base/traits";
import { CHOICES, INITIAL } from "./state";

/** Choices that a shared link carries, where they differ from those that the figure came with. */
const SHARED = CHOICES.filter((name) => name !== "view" && name !== "story");
const MARK = "lcs";

/** Which figure of the page, from 1, and its choices; null for an address that names no figure. */
export function fromAddress(hash: string): { figure: number; choices: Record<string, unknown> } | null {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const mark = parameters.get(MARK);
  if (mark === null) return null;
  const choices: Record<string, unknown> = {};
  for (const name of SHARED) {
    const value = parameters.get(name);
    if (value === null) continue;
    const usual = INITIAL[name];
    if (typeof usual === "number") {
      if (value !== "" && Number.isFinite(Number(value))) choices[name] = Number(value);
    } else choices[name] = typeof usual === "boolean" ? value === "true" : value;
  }
  return { figure: Math.max(1, Number.parseInt(mark, 10) || 1), choices };
}

/** The address of a figure of the page, from 1, with the choices that are not those that it came with. */
export function toAddress(
  figure: number,
  choices: Record<string, unknown>,
  own: Record<string, unknown>,
): string {
  const parameters = new URLSearchParams({ [MARK]: String(figure) });
  for (const name of SHARED) {
    const value = choices[name];
    if (value !== undefined && value !== own[name]) parameters.set(name, String(value));
  }
  return `#${parameters}`;
}

/** The address that a figure has already taken its choices from, or was shared as. */
let known = "";

/** Choices that each figure came with, as its author set them. */
const authored = new WeakMap<AnyModel, Record<string, unknown>>();

/** Figures of this kind in the page, in its order. */
const figures = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".fw-long")];

/** The static page's host mounts figures in no particular order, and says when all stand. */
function whenAllStand(work: () => void, signal: AbortSignal): void {
  const page = document.documentElement;
  if (window.frontierStatic === undefined || page.dataset.frontier) {
    queueMicrotask(work);
    return;
  }
  const observer = new MutationObserver(() => {
    observer.disconnect();
    work();
  });
  observer.observe(page, { attributes: true, attributeFilter: ["data-frontier"] });
  signal.addEventListener("abort", () => observer.disconnect());
}

/** Give the address to the figure that it names, once; other figures of the page stay as they are. */
export function takeAddress(root: HTMLElement, model: AnyModel, signal: AbortSignal): void {
  if (!authored.has(model)) authored.set(model, traitsOf(model, SHARED));
  whenAllStand(() => {
    const shared = location.hash === known ? null : fromAddress(location.hash);
    if (!shared || figures()[shared.figure - 1] !== root) return;
    known = location.hash;
    setTraits(model, shared.choices);
    root.scrollIntoView?.();
  }, signal);
}

/** Put what the figure shows into the page's address; the whole address. */
export function shareAddress(root: HTMLElement, model: AnyModel): string {
  const place = figures().indexOf(root) + 1;
  known = toAddress(place || 1, traitsOf(model, SHARED), authored.get(model) ?? INITIAL);
  history.replaceState(null, "", known);
  return location.href;
}
