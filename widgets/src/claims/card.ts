// The card of a claim: its note, beside the mark in the sentence. Pointer, focus and tap open it; Escape,
// a tap elsewhere and leaving it close it. The note at the end of the page is its only source.
import { h } from "../base/dom";
import { againPart, loadMeasuring, type Measuring } from "./again";
import { place } from "./place";
import type { Strings } from "./strings";

/** Milliseconds that a pointer has to rest on a mark, and may be away from mark and card. */
const [REST, AWAY] = [140, 280];
const ID = "claim-card";

/** How a card was opened: only a pinned one takes the focus, and stays when the pointer leaves. */
type Reason = "hover" | "focus" | "pin";

const FOCUSABLE = "a[href], button";

export class Cards {
  readonly #page: HTMLElement;
  readonly #text: Strings;
  readonly #load: () => Promise<Measuring>;
  #card: HTMLElement | null = null;
  #mark: HTMLElement | null = null;
  #reason: Reason = "hover";
  #life = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** While the focus is put back, it opens nothing. */
  #returning = false;

  constructor(page: HTMLElement, text: Strings, load: () => Promise<Measuring> = loadMeasuring) {
    this.#page = page;
    this.#text = text;
    this.#load = load;
  }

  get mark(): HTMLElement | null {
    return this.#mark;
  }

  /** Make every mark of the page open its card. */
  start(): void {
    for (const mark of this.#page.querySelectorAll<HTMLElement>("a.claim-link")) {
      mark.setAttribute("aria-expanded", "false");
      mark.addEventListener("click", (event) => this.#press(event, mark));
      mark.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") this.#later(REST, () => this.open(mark, "hover"));
      });
      mark.addEventListener("pointerleave", () => this.#leave());
      mark.addEventListener("focus", () => {
        if (!this.#returning && mark.matches(":focus-visible")) this.open(mark, "focus");
      });
      mark.addEventListener("blur", (event) => this.#blur(event));
      mark.addEventListener("keydown", (event) => this.#enter(event, mark));
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#card) this.close(true);
    });
    document.addEventListener("pointerdown", ({ target }) => {
      const within = target instanceof Node && (this.#card?.contains(target) || this.#mark?.contains(target));
      if (!within) this.close(false);
    });
    addEventListener("resize", () => this.#settle());
  }

  open(mark: HTMLElement, reason: Reason): void {
    clearTimeout(this.#timer);
    if (this.#mark === mark) {
      if (reason === "pin") this.#reason = reason;
      return;
    }
    this.close(false);
    const note = document.getElementById(decodeURIComponent(mark.getAttribute("href")?.slice(1) ?? ""));
    if (!note) return;
    this.#life = new AbortController();
    this.#mark = mark;
    this.#reason = reason;
    const card = this.#build(note, mark.textContent ?? "");
    this.#card = card;
    (mark.closest<HTMLElement>("article") ?? document.body).append(card);
    card.showPopover?.();
    mark.setAttribute("aria-expanded", "true");
    mark.setAttribute("aria-controls", ID);
    this.#settle();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => this.#settle());
    observer.observe(card);
    this.#life.signal.addEventListener("abort", () => observer.disconnect());
  }

  /** @param back - whether the focus returns to the mark, if it is in the card. */
  close(back: boolean): void {
    clearTimeout(this.#timer);
    const [card, mark] = [this.#card, this.#mark];
    if (!card || !mark) return;
    const inside = card.contains(document.activeElement);
    this.#life.abort();
    this.#card = this.#mark = null;
    if (back && inside) this.#focus(mark);
    card.remove();
    mark.setAttribute("aria-expanded", "false");
    mark.removeAttribute("aria-controls");
  }

  #build(note: HTMLElement, number: string): HTMLElement {
    const content = h("div", { class: "claim-card-content" });
    for (const child of note.children) content.append(child.cloneNode(true));
    for (const el of content.querySelectorAll(".claim-back")) el.remove();
    for (const el of content.querySelectorAll("[id]")) el.removeAttribute("id");
    content.querySelector(".claim-of")?.setAttribute("id", `${ID}-of`);
    content
      .querySelector(".claim-links")
      ?.append(" ", h("a", { class: "claim-whole", href: `#${note.id}` }, this.#text.note));
    const close = h("button", { type: "button", class: "claim-close", "aria-label": this.#text.close }, "×");
    close.addEventListener("click", () => this.close(true));
    const line = content.querySelector<HTMLElement>(".claim-line");
    const again = line && againPart(line, this.#text, this.#life.signal, this.#load);
    if (again) line.after(again);
    const card = h(
      "div",
      {
        id: ID,
        class: "claim-card",
        role: "dialog",
        "aria-labelledby": `${ID}-title ${ID}-of`,
        tabindex: -1,
        popover: "manual",
      },
      h("div", { class: "claim-card-bar" }, h("p", { id: `${ID}-title` }, this.#text.title(number)), close),
      content,
    );
    card.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    card.addEventListener("pointerleave", () => this.#leave());
    card.addEventListener("pointerdown", () => {
      this.#reason = "pin"; // who works in it keeps it
    });
    card.addEventListener("focusout", (event) => this.#blur(event));
    card.addEventListener("keydown", (event) => this.#tab(event));
    for (const link of content.querySelectorAll("a[href]"))
      link.addEventListener("click", () => this.close(false));
    return card;
  }

  #press(event: MouseEvent, mark: HTMLElement): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (this.#mark === mark && this.#reason === "pin") {
      this.close(true);
      return;
    }
    this.open(mark, "pin");
    this.#card?.focus({ preventScroll: true });
  }

  #later(delay: number, work: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, delay);
  }

  #leave(): void {
    if (!this.#card) clearTimeout(this.#timer);
    else if (this.#reason === "hover") this.#later(AWAY, () => this.close(false));
  }

  /** The focus goes elsewhere than between mark and card. */
  #blur({ relatedTarget }: FocusEvent): void {
    if (this.#returning || !(relatedTarget instanceof Node) || this.#reason === "hover") return;
    if (!this.#card?.contains(relatedTarget) && !this.#mark?.contains(relatedTarget)) this.close(false);
  }

  /** From the mark into its card, which stands elsewhere in the document. */
  #enter(event: KeyboardEvent, mark: HTMLElement): void {
    if (event.key !== "Tab" || event.shiftKey || this.#mark !== mark) return;
    const first = this.#card?.querySelector<HTMLElement>(FOCUSABLE);
    if (!first) return;
    event.preventDefault();
    this.#reason = "pin";
    first.focus({ preventScroll: true });
  }

  /** Out of the card at either end: back to the mark, and from there on as if the card stood behind it. */
  #tab(event: KeyboardEvent): void {
    const [card, mark] = [this.#card, this.#mark];
    if (event.key !== "Tab" || !card || !mark) return;
    const stops = [...card.querySelectorAll<HTMLElement>(FOCUSABLE)];
    const at = stops.indexOf(document.activeElement as HTMLElement);
    if (event.shiftKey ? at > 0 : at < stops.length - 1) return;
    if (event.shiftKey) event.preventDefault();
    this.#focus(mark);
    this.close(false);
  }

  #focus(mark: HTMLElement): void {
    this.#returning = true;
    mark.focus({ preventScroll: true });
    this.#returning = false;
  }

  /** Beside the mark, in coordinates of the document, so that it scrolls with the sentence. */
  #settle(): void {
    const [card, mark] = [this.#card, this.#mark];
    if (!card || !mark) return;
    card.style.maxHeight = "";
    const view = document.documentElement;
    const size = {
      width: card.offsetWidth,
      height: card.scrollHeight + card.offsetHeight - card.clientHeight,
    };
    const { left, top, maxHeight } = place(mark.getBoundingClientRect(), size, {
      width: view.clientWidth,
      height: view.clientHeight,
    });
    card.style.left = `${left + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
    card.style.maxHeight = `${maxHeight}px`;
  }
}
