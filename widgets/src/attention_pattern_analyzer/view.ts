// AttentionPatternAnalyzer's view: DOM, events and updates. Numbers come from patterns.ts, pictures from draw.ts.
import type { AnyModel, RenderProps } from "../base/afm";
import { difference, drawFigure, drawScatter, extent, inkOf, kindFill, paint, PLOT, thumbnail } from "./draw";
import {
  ablationOf,
  CHOICES,
  DATA_TRAITS,
  defaults,
  dimmed,
  headOf,
  LENSES,
  lensValue,
  matrixOf,
  missing,
  readData,
  readState,
  REMOVALS,
  shown,
  typedReading,
  WEIGHTINGS,
  type Head,
  type Reading,
  type State,
} from "./state";
import { lensName, STRINGS, type AnalyzerStrings } from "./strings";
import { KINDS, METRICS } from "./patterns";
import { button, check, choice, range, select } from "../base/controls";
import { h, setAttribute, setText } from "../base/dom";
import { roving, setTabStop } from "../base/keyboard";
import { liveSummary } from "../base/messages";
import { mount, type Kind } from "../base/mount";
import { toCsv } from "../base/save";
import { picture } from "../base/shapes";
import type { Language } from "../base/strings";
import { dataTable, type TableData } from "../base/table";
import { tools } from "../base/toolbar";
import { followWidth } from "../base/width";
import { nextTokens, readingOf, sentencePanel } from "../reader/sentence_panel";
import { largest } from "../reader/model";

/** Cells of a small picture across, and of the strip's longest list of names. */
const THUMB = 24;
const TOP = 4;
const CANDIDATES = 5;

/** Readings that a figure came with, before its reader typed a sentence. */
const published = new WeakMap<AnyModel, Record<string, unknown>>();

function number(value: number, digits: number, name?: string): HTMLDataElement {
  return h("data", { value: String(value), "data-name": name }, value.toFixed(digits));
}

class View {
  readonly root = h("div", { class: "fw-root fw-heads", role: "group" });
  #model: AnyModel;
  #language: Language;
  #text: AnalyzerStrings;
  #signal: AbortSignal;
  #readings: Reading[];
  #state: State;
  #live = liveSummary();
  #parts: ((state: State) => void)[] = [];
  /** The head under the pointer, shown until it leaves. */
  #preview: { layer: number; head: number } | null = null;
  #width = 0;
  #painted = false;

  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    this.#model = model;
    this.#language = language;
    this.#text = STRINGS[language];
    this.#signal = signal;
    this.#readings = readData(model, this.#text);
    this.#state = readState(model, this.#readings);
    this.root.setAttribute("aria-label", this.#text.title);
    this.root.lang = language === "zh" ? "zh-CN" : "en";
    this.#build();
    // Canvases take their colours from the style sheet, which applies once the figure stands in the page.
    followWidth(
      this.root,
      (width) => {
        this.#width = width;
        this.update();
      },
      signal,
    );
    const theme = new MutationObserver(() => this.update());
    theme.observe(this.root, { attributes: true, attributeFilter: ["data-fw-theme"] });
    signal.addEventListener("abort", () => theme.disconnect());
    this.update();
  }

  update(): void {
    this.#state = readState(this.#model, this.#readings);
    this.root.dataset.view = this.#state.table ? "table" : "figure";
    for (const part of this.#parts) part(this.#state);
    if (this.#painted) this.#live.say(this.#summary(this.#state));
    this.#painted = true;
  }

  #set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #title({ name, title }: Reading): string {
    return name === "typed" ? this.#text.typedTitle : (title[this.#language] ?? name);
  }

  #summary(state: State): string {
    const { reading, layer, head } = state;
    return this.#text.summary(
      this.#text.headName(layer, head),
      this.#text.kinds[headOf(reading, layer, head).kind],
      this.#most(state),
    );
  }

  /** Weights that have to do with the token under study: its row, or its column. */
  #column({ reading, token, from }: State, matrix: ArrayLike<number>): Float64Array {
    const { length, size } = reading.weights;
    return from
      ? Float64Array.from({ length: size }, (_, s) => matrix[token * size + s])
      : Float64Array.from({ length }, (_, t) => matrix[t * size + Math.min(token, size - 1)]);
  }

  #matrix(state: State, at: { layer: number; head: number } = state): ArrayLike<number> {
    return matrixOf(state.reading, at.layer, at.head, state.weighting, state.residual);
  }

  #most(state: State): string {
    const { reading, token, from } = state;
    const values = this.#column(state, this.#matrix(state));
    const names = from ? (reading.keys ?? reading.tokens) : reading.tokens;
    const parts = largest(values, TOP)
      .filter((at) => values[at] > 0.005)
      .map((at) => `${at} ${shown(names[at])} ${values[at].toFixed(2)}`)
      .join(", ");
    const own = from ? reading.tokens : (reading.keys ?? reading.tokens);
    return this.#text.chosen(shown(own[Math.min(token, own.length - 1)]), token, parts, from);
  }

  #build(): void {
    this.root.append(
      ...this.#sentence(),
      this.#sources(),
      h("div", { class: "fw-figure" }, this.#grid(), this.#focus()),
      this.#strip(),
      this.#card(),
      this.#worth(),
      this.#scatter(),
      this.#tables(),
      this.#tools(),
      this.#source(),
      this.#live.element,
    );
  }

  // ---- the reader's own sentence -----------------------------------------------------------------------

  #sentence(): HTMLElement[] {
    const name = String(this.#model.get("live") ?? "");
    if (!name) return [];
    if (!this.#model.get("sentence"))
      published.set(
        this.#model,
        Object.fromEntries(
          ["examples", "data_sha256", "example", "versus", "layer", "head", "token", "off"].map((trait) => [
            trait,
            this.#model.get(trait),
          ]),
        ),
      );
    const panel = sentencePanel({
      model: this.#model,
      name,
      language: this.#language,
      signal: this.#signal,
      shown,
      traits: (pass, tokens, engine) => ({
        data_sha256: "",
        example: 0,
        versus: -1,
        off: false,
        brush: [],
        layer: Math.min(this.#state.layer, engine.layers - 1),
        head: Math.min(this.#state.head, engine.config.num_attention_heads - 1),
        token: tokens.length - 1,
        examples: [typedReading(pass, tokens, engine, name)],
      }),
      own: () => published.get(this.#model) ?? null,
    });
    this.#parts.push((state) => panel.set(state.token));
    return [panel.element];
  }

  // ---- which text, and what the grid shows -------------------------------------------------------------

  #sources(): HTMLElement {
    const text = this.#text;
    const row = h("div", { class: "fw-row fw-controls" });
    const names = this.#readings.map((reading) => this.#title(reading));
    if (this.#readings.length > 1) {
      const example = select(text.example, names, (i) => {
        const { weights } = this.#readings[i];
        this.#set({
          layer: Math.min(this.#state.layer, weights.layers - 1),
          head: Math.min(this.#state.head, weights.heads - 1),
          token: Math.min(this.#state.token, weights.length - 1),
          brush: [],
          example: i,
        });
      });
      const versus = select(text.versus, [text.none, ...names], (i) => this.#set({ versus: i - 1 }));
      this.#parts.push((state) => {
        example.set(state.index);
        versus.set(state.versus ? state.versusIndex + 1 : 0);
      });
      row.append(example.element, versus.element);
    }
    const measured = this.#readings.some((reading) => reading.ablation.length);
    const lenses = LENSES.filter((lens) => measured || (lens !== "loss" && lens !== "divergence"));
    const lens = select(
      text.lens,
      lenses.map((one) => lensName(one, text)),
      (i) => this.#set({ lens: lenses[i] }),
    );
    this.#parts.push((state) => lens.set(lenses.indexOf(state.lens)));
    row.append(lens.element);
    return row;
  }

  // ---- every head --------------------------------------------------------------------------------------

  #grid(): HTMLElement {
    const text = this.#text;
    const list = h("div", {
      class: "fw-grid",
      role: "listbox",
      "aria-label": text.grid,
      "aria-orientation": "horizontal",
    });
    let reading: Reading | null = null;
    let theme = "";
    let cells: HTMLElement[] = [];
    const at = (index: number): { layer: number; head: number } => ({
      layer: Math.floor(index / reading!.weights.heads),
      head: index % reading!.weights.heads,
    });
    const indexOf = (target: EventTarget | null): number =>
      cells.indexOf((target as Element).closest<HTMLElement>("[data-head]")!);
    const preview = (index: number): void => {
      this.#preview = index < 0 ? null : at(index);
      this.#paintFocus();
    };
    list.addEventListener(
      "pointerover",
      (event) => event.pointerType === "mouse" && preview(indexOf(event.target)),
      { signal: this.#signal },
    );
    list.addEventListener("pointerleave", () => preview(-1), { signal: this.#signal });
    list.addEventListener(
      "click",
      (event) => {
        const index = indexOf(event.target);
        if (index >= 0) this.#set(at(index));
      },
      { signal: this.#signal },
    );
    roving(list, {
      items: () => cells,
      move: (index) => this.#set(at(index)),
      activate: (index) => this.#set(at(index)),
      release: () => preview(-1),
      segments: () =>
        Array.from({ length: reading?.weights.layers ?? 0 }, (_, layer) => layer * reading!.weights.heads),
      signal: this.#signal,
    });
    this.#parts.push((state) => {
      if (reading !== state.reading) {
        reading = state.reading;
        theme = "";
        list.style.setProperty("--fw-heads", String(reading.weights.heads));
        list.classList.toggle("fw-many", reading.weights.heads > 6);
        cells = reading.heads.map(({ layer, head }) =>
          h(
            "div",
            { class: "fw-head", role: "option", "data-head": `${layer}.${head}` },
            h("canvas", { "aria-hidden": "true" }),
            h("span", { class: "fw-badge", "aria-hidden": "true" }),
            h("span", { class: "fw-hidden" }),
          ),
        );
        list.replaceChildren(...cells);
      }
      const now = this.root.dataset.fwTheme ?? "";
      if (theme !== now && this.root.isConnected) {
        theme = now;
        const ink = inkOf(this.root);
        reading.heads.forEach(({ layer, head }, i) => {
          const small = thumbnail(reading!, layer, head, THUMB);
          paint(cells[i].firstChild as HTMLCanvasElement, small.values, small.rows, small.columns, ink);
        });
      }
      const values = reading.heads.map((one) => lensValue(state.reading, one, state.lens, state.removal));
      const most = Math.max(1e-9, ...values.filter(Number.isFinite).map(Math.abs));
      reading.heads.forEach((one, i) => {
        const cell = cells[i];
        const chosen = one.layer === state.layer && one.head === state.head;
        const value = Number.isFinite(values[i]) ? values[i].toFixed(2) : state.lens === "pattern" ? "" : "–";
        setAttribute(cell, "class", `fw-head${dimmed(state, one) ? " fw-dim" : ""}`);
        setAttribute(cell, "aria-selected", String(chosen));
        cell.style.setProperty("--fw-kind", kindFill(one));
        cell.style.setProperty(
          "--fw-part",
          String(Number.isFinite(values[i]) ? Math.abs(values[i]) / most : 0),
        );
        setAttribute(
          cell,
          "data-lens",
          state.lens === "pattern" ? "pattern" : values[i] < 0 ? "less" : "value",
        );
        setText(cell.children[1], state.lens === "pattern" ? text.letters[one.kind] : value);
        setText(
          cell.children[2],
          text.cellLabel(text.headName(one.layer, one.head), text.kinds[one.kind], value),
        );
      });
      setTabStop(cells, state.layer * reading.weights.heads + state.head);
    });
    const legend = h(
      "p",
      { class: "fw-legend" },
      ...[...KINDS, "mixed" as const].map((kind) => {
        const mark = h("span", { class: "fw-badge" }, text.letters[kind]);
        mark.style.setProperty("--fw-kind", kindFill({ kind } as Head));
        return h("span", { class: "fw-legend-item" }, mark, ` ${text.kinds[kind]}`);
      }),
    );
    return h(
      "div",
      { class: "fw-panel fw-grid-panel" },
      h("div", { class: "fw-caption" }, text.grid),
      list,
      legend,
    );
  }

  // ---- one head ----------------------------------------------------------------------------------------

  #paintFocus: () => void = () => undefined;

  #focus(): HTMLElement {
    const text = this.#text;
    const caption = h("div", { class: "fw-caption" });
    const canvas = h("canvas", { class: "fw-heat", role: "img" });
    const axis = h("div", { class: "fw-axis", "aria-hidden": "true" });
    const readout = h("p", { class: "fw-line" }, text.hover);
    const note = h("p", { class: "fw-line" });
    const weighting = choice(
      text.weighting,
      WEIGHTINGS.map((one) => text.weightings[one]),
      (i) => this.#set({ weighting: WEIGHTINGS[i] }),
    );
    const residual = range(text.residual, { min: 0, max: 1, step: 0.05 }, (value) =>
      this.#set({ residual: value }),
    );
    const other = h("canvas", { class: "fw-heat", role: "img" });
    const otherCaption = h("div", { class: "fw-caption" });
    let drawn: ArrayLike<number> = [];
    const place = (event: PointerEvent): { t: number; s: number } => {
      const { reading } = this.#state;
      const box = canvas.getBoundingClientRect();
      const cell = (at: number, room: number, count: number): number =>
        Math.min(count - 1, Math.max(0, Math.floor((at / room) * count)));
      return {
        t: cell(event.clientY - box.top, box.height, reading.weights.length),
        s: cell(event.clientX - box.left, box.width, reading.weights.size),
      };
    };
    canvas.addEventListener(
      "pointermove",
      (event) => {
        const { t, s } = place(event);
        const { reading } = this.#state;
        setText(
          readout,
          text.cell(
            `${t} ${shown(reading.tokens[t])}`,
            `${s} ${shown((reading.keys ?? reading.tokens)[s])}`,
            drawn[t * reading.weights.size + s].toFixed(3),
          ),
        );
      },
      { signal: this.#signal },
    );
    canvas.addEventListener("pointerleave", () => setText(readout, text.hover), { signal: this.#signal });
    canvas.addEventListener(
      "click",
      (event) => {
        const { t, s } = place(event as PointerEvent);
        this.#set({ token: this.#state.from ? t : Math.min(s, this.#state.reading.tokens.length - 1) });
      },
      { signal: this.#signal },
    );

    this.#paintFocus = () => {
      const state = this.#state;
      const { reading, versus } = state;
      const { length, size, layers, heads } = reading.weights;
      const at =
        this.#preview && this.#preview.layer < layers && this.#preview.head < heads ? this.#preview : state;
      const name = text.headName(at.layer, at.head);
      const own = headOf(reading, at.layer, at.head);
      const gap = difference(state, at.layer, at.head);
      drawn = gap ?? this.#matrix(state, at);
      setText(caption, `${name} · ${text.kinds[own.kind]}${this.#preview ? text.preview : ""}`);
      setAttribute(
        canvas,
        "aria-label",
        gap && versus
          ? text.heatDifference(name, this.#title(versus))
          : text.heat(name, text.weightings[state.weighting], length),
      );
      canvas.style.setProperty("--fw-ratio", `${size} / ${length}`);
      if (this.root.isConnected) paint(canvas, drawn, length, size, inkOf(this.root));
      const named = length <= 48;
      axis.hidden = !named;
      if (named && axis.dataset.of !== reading.name) {
        axis.dataset.of = reading.name;
        axis.replaceChildren(...reading.tokens.map((token) => h("span", {}, shown(token))));
        const longest = Math.max(
          ...reading.tokens.map((token) =>
            [...shown(token)].reduce((sum, letter) => sum + (/[\u1100-\uffdc]/u.test(letter) ? 2 : 1), 0),
          ),
        );
        canvas.parentElement?.style.setProperty("--fw-names", String(Math.min(9, longest)));
      }
      if (named)
        [...axis.children].forEach((label, t) => label.classList.toggle("fw-now", t === state.token));
      axis.style.setProperty("--fw-rows", String(length));
      const apart = versus !== null && !gap;
      other.hidden = otherCaption.hidden = !apart;
      if (apart && versus) {
        const [layer, head] = [
          Math.min(at.layer, versus.weights.layers - 1),
          Math.min(at.head, versus.weights.heads - 1),
        ];
        setText(
          otherCaption,
          `${this.#title(versus)} · ${text.headName(layer, head)} · ${text.kinds[headOf(versus, layer, head).kind]}`,
        );
        setAttribute(
          other,
          "aria-label",
          text.heat(otherCaption.textContent ?? "", text.weightings[state.weighting], versus.weights.length),
        );
        other.style.setProperty("--fw-ratio", `${versus.weights.size} / ${versus.weights.length}`);
        if (this.root.isConnected)
          paint(
            other,
            matrixOf(versus, layer, head, state.weighting, state.residual),
            versus.weights.length,
            versus.weights.size,
            inkOf(this.root),
          );
      }
      setText(
        note,
        gap && versus ? text.heatDifference(name, this.#title(versus)) : apart ? text.versusNone : "",
      );
      note.hidden = !note.textContent;
    };
    this.#parts.push((state) => {
      weighting.set(WEIGHTINGS.indexOf(state.weighting));
      weighting.element.querySelectorAll("input").forEach((input, i) => {
        const why = missing(WEIGHTINGS[i], state.reading);
        input.disabled = why !== null;
        input.closest("label")!.title = why ? text.missing[why] : "";
      });
      residual.set(state.residual, state.residual.toFixed(2));
      residual.element.hidden = state.weighting !== "rollout";
      this.#paintFocus();
    });
    return h(
      "div",
      { class: "fw-panel fw-focus" },
      caption,
      h("div", { class: "fw-heat-box" }, canvas, axis),
      readout,
      note,
      otherCaption,
      other,
      h("div", { class: "fw-row" }, weighting.element, residual.element),
    );
  }

  // ---- one token ---------------------------------------------------------------------------------------

  #strip(): HTMLElement {
    const text = this.#text;
    const caption = h("span", { class: "fw-caption" });
    const direction = choice(text.direction, text.directions, (i) =>
      this.#set({ direction: i ? "to" : "from" }),
    );
    const list = h("div", { class: "fw-tokens", role: "listbox", "aria-orientation": "horizontal" });
    const keys = h("p", { class: "fw-tokens fw-keys" });
    const line = h("p", { class: "fw-line" });
    let reading: Reading | null = null;
    let chips: HTMLElement[] = [];
    let marks: HTMLElement[] = [];
    list.addEventListener(
      "click",
      (event) => {
        const chip = (event.target as Element).closest<HTMLElement>("[data-token]");
        if (chip) this.#set({ token: Number(chip.dataset.token) });
      },
      { signal: this.#signal },
    );
    roving(list, {
      items: () => chips,
      move: (token) => this.#set({ token }),
      activate: (token) => this.#set({ token }),
      release: () => undefined,
      signal: this.#signal,
    });
    this.#parts.push((state) => {
      if (reading !== state.reading) {
        reading = state.reading;
        chips = reading.tokens.map((token, i) =>
          h(
            "div",
            { class: "fw-chip", role: "option", "data-token": i },
            h("span", { class: "fw-token" }, shown(token)),
            h("span", { class: "fw-hidden" }),
          ),
        );
        list.replaceChildren(...chips);
        marks = (reading.keys ?? []).map((token) =>
          h("span", { class: "fw-chip" }, h("span", { class: "fw-token" }, shown(token))),
        );
        keys.replaceChildren(
          ...(marks.length ? [h("span", { class: "fw-caption" }, text.keys), ...marks] : []),
        );
        keys.hidden = !marks.length;
      }
      const values = this.#column(state, this.#matrix(state));
      const lit = reading.keys && state.from ? marks : chips;
      for (const chip of lit === chips ? marks : chips) chip.style.setProperty("--fw-part", "0");
      lit.forEach((chip, i) =>
        chip.style.setProperty("--fw-part", Math.sqrt(Math.max(0, values[i] ?? 0)).toFixed(3)),
      );
      chips.forEach((chip, i) => {
        setAttribute(chip, "aria-selected", String(i === state.token));
        setText(chip.children[1], text.tokenLabel(i, lit === chips ? (values[i] ?? 0).toFixed(2) : ""));
      });
      setTabStop(chips, state.token);
      direction.set(state.from ? 0 : 1);
      setText(caption, text.tokens(text.directions[state.from ? 0 : 1]));
      setAttribute(list, "aria-label", text.tokens(text.directions[state.from ? 0 : 1]));
      setText(line, this.#most(state));
    });
    return h(
      "div",
      { class: "fw-panel" },
      h("div", { class: "fw-row" }, caption, direction.element),
      list,
      keys,
      line,
    );
  }

  // ---- a head's numbers --------------------------------------------------------------------------------

  #card(): HTMLElement {
    const text = this.#text;
    const caption = h("div", { class: "fw-caption" });
    const items = METRICS.map((metric) => {
      const value = h("dd", {});
      return {
        metric,
        value,
        element: h(
          "div",
          { class: "fw-score", title: text.definitions[metric] },
          h("dt", {}, text.metrics[metric]),
          value,
        ),
      };
    });
    this.#parts.push((state) => {
      const own = headOf(state.reading, state.layer, state.head);
      setText(caption, `${text.headName(state.layer, state.head)} · ${text.kinds[own.kind]}`);
      items.forEach(({ metric, value, element }, i) => {
        const found = own.metrics[i];
        element.style.setProperty(
          "--fw-part",
          String(i < KINDS.length && Number.isFinite(found) ? Math.min(1, Math.max(0, found)) : 0),
        );
        value.replaceChildren(
          Number.isFinite(found) ? number(found, metric === "distance" ? 1 : 2, metric) : "–",
        );
      });
    });
    const definitions = h(
      "details",
      { class: "fw-compare" },
      h("summary", {}, text.definitionsTitle),
      h(
        "dl",
        { class: "fw-definitions" },
        ...METRICS.flatMap((metric) => [
          h("dt", {}, text.metrics[metric]),
          h("dd", {}, text.definitions[metric]),
        ]),
      ),
      h("p", { class: "fw-line" }, text.scoreNote),
    );
    return h(
      "div",
      { class: "fw-panel" },
      caption,
      h("dl", { class: "fw-scores" }, ...items.map(({ element }) => element)),
      definitions,
    );
  }

  // ---- what a head is worth ----------------------------------------------------------------------------

  #worth(): HTMLElement {
    const text = this.#text;
    const lines = h("div", {});
    const removal = choice(
      text.removal,
      REMOVALS.map((one) => text.removals[one]),
      (i) => this.#set({ removal: REMOVALS[i] }),
    );
    const off = check(text.off, (on) => this.#set({ off: on }));
    const live = h("div", { class: "fw-next" });
    const panel = h(
      "div",
      { class: "fw-panel fw-worth" },
      h("div", { class: "fw-caption" }, text.worth),
      lines,
      h("div", { class: "fw-row" }, removal.element, off.element),
      live,
    );
    let key = "";
    this.#parts.push((state) => {
      const typed = readingOf(this.#model);
      removal.set(REMOVALS.indexOf(state.removal));
      off.set(state.off);
      off.element.hidden = !typed;
      lines.replaceChildren(
        ...REMOVALS.flatMap((one) => {
          const change = ablationOf(state.reading, state.layer, state.head, one);
          if (!change) return [];
          const divergence = change.divergence.toFixed(3);
          return [
            h(
              "p",
              { class: "fw-line", "data-removal": one },
              Number.isFinite(change.loss)
                ? text.worthLoss(text.removals[one], change.loss.toFixed(3), divergence)
                : text.worthDivergence(text.removals[one], divergence),
            ),
          ];
        }),
      );
      if (!lines.childElementCount && !typed) lines.append(h("p", { class: "fw-line" }, text.worthUnknown));
      live.hidden = !typed || !state.off;
      if (!typed || !state.off) return void (key = "");
      const { model, pass } = typed;
      const next = JSON.stringify([typed.sentence, state.layer, state.head, state.removal, state.token]);
      if (next === key) return;
      key = next;
      const without = model.forward(pass.ids, { layer: state.layer, head: state.head, kind: state.removal });
      const [before, after] = [model.loss(pass), model.loss(without)];
      live.replaceChildren(
        ...(pass.ids.length > 1
          ? [
              h(
                "p",
                { class: "fw-line" },
                text.offResult(before.toFixed(3), after.toFixed(3)),
                number(after - before, 3, "off"),
                text.offEnd,
              ),
            ]
          : []),
        h("p", { class: "fw-line" }, text.offNext(shown(model.tokenizer.tokens[pass.ids[state.token]]))),
        nextTokens(without, model, state.token, CANDIDATES, shown),
      );
    });
    return panel;
  }

  // ---- all heads in a plane ----------------------------------------------------------------------------

  #scatter(): HTMLElement {
    const text = this.#text;
    const names = METRICS.map((metric) => text.metrics[metric]);
    const x = select(text.xAxis, names, (i) => this.#set({ brush: [], x_metric: METRICS[i] }));
    const y = select(text.yAxis, names, (i) => this.#set({ brush: [], y_metric: METRICS[i] }));
    const place = h("div", { class: "fw-drawing fw-scatter" });
    const draw = picture(place);
    const status = h("span", { class: "fw-line" });
    const bounds = text.brushBounds.map((label, i) => {
      const input = h("input", { type: "number", step: 0.05, class: "fw-bound" });
      input.addEventListener("change", () => {
        const { reading, brush } = this.#state;
        const whole = [...extent(reading.heads, this.#state.x), ...extent(reading.heads, this.#state.y)];
        const next = [...(brush.length ? brush : whole)];
        next[i] = Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : whole[i];
        this.#set({ brush: next });
      });
      return { input, element: h("label", { class: "fw-control" }, h("span", {}, label), input) };
    });
    const clear = button(text.clear, () => this.#set({ brush: [] }));
    const valueAt = (event: PointerEvent): [number, number] => {
      const box = place.getBoundingClientRect();
      const { reading } = this.#state;
      const [[xl, xh], [yl, yh]] = [
        extent(reading.heads, this.#state.x),
        extent(reading.heads, this.#state.y),
      ];
      const across = (event.clientX - box.left - PLOT.left) / (box.width - PLOT.left - PLOT.right);
      const up = 1 - (event.clientY - box.top - PLOT.top) / (box.height - PLOT.top - PLOT.bottom);
      return [
        xl + Math.min(1, Math.max(0, across)) * (xh - xl),
        yl + Math.min(1, Math.max(0, up)) * (yh - yl),
      ];
    };
    let start: [number, number] | null = null;
    place.addEventListener(
      "pointerdown",
      (event) => {
        if (event.button !== 0) return;
        start = valueAt(event);
        place.setPointerCapture(event.pointerId);
      },
      { signal: this.#signal },
    );
    place.addEventListener(
      "pointermove",
      (event) => {
        if (!start) return;
        const now = valueAt(event);
        const { reading } = this.#state;
        const wide =
          Math.abs(now[0] - start[0]) /
          (extent(reading.heads, this.#state.x)[1] - extent(reading.heads, this.#state.x)[0]);
        if (wide < 0.02) return; // a click
        this.#set({
          brush: [
            Math.min(now[0], start[0]),
            Math.max(now[0], start[0]),
            Math.min(now[1], start[1]),
            Math.max(now[1], start[1]),
          ],
        });
      },
      { signal: this.#signal },
    );
    place.addEventListener(
      "pointerup",
      (event) => {
        const dot = document
          .elementsFromPoint(event.clientX, event.clientY)
          .find((el) => el instanceof SVGElement && el.dataset.head && place.contains(el)) as
          | SVGElement
          | undefined;
        const moved = start && valueAt(event).some((value, i) => Math.abs(value - start![i]) > 0.02);
        start = null;
        if (!dot || moved) return;
        const [layer, head] = dot.dataset.head!.split(".").map(Number);
        this.#set({ layer, head });
      },
      { signal: this.#signal },
    );
    this.#parts.push((state) => {
      x.set(METRICS.indexOf(state.x));
      y.set(METRICS.indexOf(state.y));
      const { heads } = state.reading;
      const inside = heads.filter((one) => !dimmed(state, one)).length;
      const said =
        heads.length > 40
          ? text.brushed(inside, heads.length)
          : heads
              .map(
                ({ layer, head, metrics }) =>
                  `${layer}.${head} (${metrics[METRICS.indexOf(state.x)].toFixed(2)}, ${metrics[METRICS.indexOf(state.y)].toFixed(2)})`,
              )
              .join("; ");
      draw(
        drawScatter(state, text, Math.max(260, Math.min(560, (this.#width || 600) - 50))),
        text.scatterLabel(said),
      );
      setText(status, state.brush.length ? text.brushed(inside, heads.length) : text.brushHint);
      clear.disabled = !state.brush.length;
      bounds.forEach(({ input }, i) => {
        const value = state.brush.length ? state.brush[i].toFixed(2) : "";
        if (input !== document.activeElement && input.value !== value) input.value = value;
      });
    });
    return h(
      "div",
      { class: "fw-panel" },
      h("div", { class: "fw-row" }, h("span", { class: "fw-caption" }, text.scatter), x.element, y.element),
      place,
      h("div", { class: "fw-row" }, status, ...bounds.map(({ element }) => element), clear),
    );
  }

  // ---- tables and downloads ----------------------------------------------------------------------------

  #headRows(state: State): TableData {
    const { tableColumns: names, removals } = this.#text;
    const measured = state.reading.ablation.length > 0;
    const value = (x: number): string | number => (Number.isFinite(x) ? x.toFixed(3) : "–");
    return {
      caption: this.#text.table,
      columns: [
        names.layer,
        names.head,
        names.kind,
        ...METRICS.map((metric) => this.#text.metrics[metric]),
        ...(measured
          ? REMOVALS.flatMap((one) => [
              `${names.loss} (${removals[one]})`,
              `${names.divergence} (${removals[one]})`,
            ])
          : []),
      ],
      rows: state.reading.heads.map((one) => [
        String(one.layer),
        String(one.head),
        this.#text.kinds[one.kind],
        ...[...one.metrics].map(value),
        ...(measured
          ? REMOVALS.flatMap((removal) => {
              const change = ablationOf(state.reading, one.layer, one.head, removal)!;
              return [value(change.loss), value(change.divergence)];
            })
          : []),
      ]),
    };
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.#parts.push((state) => {
      if (!state.table) return place.replaceChildren();
      const { reading } = state;
      const values = this.#column(state, this.#matrix(state));
      const own = reading.tokens[state.token];
      const names = state.from ? (reading.keys ?? reading.tokens) : reading.tokens;
      place.replaceChildren(
        dataTable(this.#headRows(state)),
        dataTable({
          caption: this.#text.tableToken(shown(own)),
          columns: this.#text.tokenColumns,
          rows: names.map((token, i) => [String(i), this.#text.quoted(shown(token)), values[i].toFixed(3)]),
        }),
      );
    });
    return place;
  }

  #tools(): HTMLElement {
    const row = tools({
      language: this.#language,
      root: this.root,
      live: this.#live,
      name: "attention-heads",
      tableView: this.#text.tableView,
      toggleTable: () => this.#set({ view: this.#state.table ? "figure" : "table" }),
      draw: () => drawFigure(this.#state, this.#text, this.root),
      csv: () => {
        const { heads } = this.#state.reading;
        return toCsv(
          [
            "layer",
            "head",
            "kind",
            ...METRICS,
            ...REMOVALS.flatMap((one) => [`loss_${one}`, `divergence_${one}`]),
          ],
          heads.map((one) => [
            one.layer,
            one.head,
            one.kind,
            ...one.metrics,
            ...REMOVALS.flatMap((removal): (string | number)[] => {
              const change = ablationOf(this.#state.reading, one.layer, one.head, removal);
              return change ? [change.loss, change.divergence] : ["", ""];
            }),
          ]),
        );
      },
    });
    this.#parts.push((state) => row.set(state.table));
    return row.element;
  }

  #source(): HTMLElement {
    const line = h("p", { class: "fw-source" });
    this.#parts.push(({ reading }) => {
      const { model } = reading;
      const name = [model.class, model.checkpoint].filter(Boolean).map(String).join(" · ") || reading.name;
      const kept = reading.kept < 0.999 ? ` ${this.#text.kept(`${(100 * reading.kept).toFixed(0)}%`)}` : "";
      setText(line, this.#text.source(name, Number(model.parameters ?? 0).toLocaleString("en")) + kept);
    });
    return line;
  }
}

const KIND: Kind = {
  choices: CHOICES,
  data: DATA_TRAITS,
  build: (model, language, signal) => new View(model, language, signal),
};

const render = (props: RenderProps): (() => void) => mount(KIND, props);

export { defaults };
export default { render };
