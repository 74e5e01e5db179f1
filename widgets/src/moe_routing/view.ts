// MoERouting's view: DOM, events and updates. Numbers come from math.ts, drawings from draw.ts.
import type { AnyModel, RenderProps } from "../base/afm";
import { button, check, choice, range } from "../base/controls";
import { h, setAttribute, setText, uniqueId } from "../base/dom";
import { roving, setTabStop } from "../base/keyboard";
import { liveSummary } from "../base/messages";
import { mount, type Kind } from "../base/mount";
import { player } from "../base/player";
import { toCsv } from "../base/save";
import { picture } from "../base/shapes";
import type { Language } from "../base/strings";
import { dataTable, type TableData } from "../base/table";
import { tools } from "../base/toolbar";
import { followWidth } from "../base/width";
import {
  columns,
  drawAblation,
  drawBins,
  drawFigure,
  drawHistory,
  drawLoad,
  drawMatrix,
  drawPath,
  history,
  segments,
  signed,
  specialisation,
} from "./draw";
import {
  expertParallel,
  mutualInformation,
  shuffledInformation,
  tokenPath,
  tokensOf,
  type TokenPath,
} from "./math";
import {
  ablationOf,
  CHOICES,
  DATA_TRAITS,
  defaults,
  readData,
  readState,
  scoresOf,
  shown,
  type Data,
  type State,
} from "./state";
import { STRINGS, type Strings } from "./strings";
import { sizesPanel, sizesTitle } from "./sizes_panel";
import { compareRouters, ROUTERS } from "./routers";
import { readingOf, sentencePanel } from "../reader/sentence_panel";

const STAGES = 6;
/** How the numbers follow from the bars: f filled, P outlined, n assignments. */
const FORMULAS = {
  balance: "E·Σ f P",
  z: "⟨(ln Σ eᶻ)²⟩",
  cv: "σ(n) / n̄",
  entropy: "−Σ f log₂ f",
  dropped: "Σ max(n−C, 0) / kT",
} as const;
/** Permutations behind the baseline of the specialisation. */
const SHUFFLES = 100;
/** Bytes of a token on its way: 4096 numbers, the width of Mixtral-8x7B, in bfloat16. */
const VECTOR = 2 * 4096;
const CAPACITIES = [0, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

/** Data that a figure came with, before its reader typed a sentence. */
const published = new WeakMap<AnyModel, Record<string, unknown>>();

/** Titles of the parts that a reader has opened. */
const opened = new WeakMap<AnyModel, Set<string>>();

function badge(expert: number): HTMLElement {
  return h("span", { class: `fw-badge fw-hue-${expert % 8}` }, String(expert));
}

/** A number for reading, with the exact one beside it for machines. */
function number(value: number, digits: number, name?: string): HTMLDataElement {
  return h("data", { value: String(value), "data-name": name }, value.toFixed(digits));
}

class View {
  readonly root = h("div", { class: "fw-root fw-moe", role: "group" });
  #model: AnyModel;
  #language: Language;
  #text: Strings;
  #data: Data;
  #signal: AbortSignal;
  #state: State;
  #live = liveSummary();
  #parts: ((state: State) => void)[] = [];
  #columns = h("div", { class: "fw-columns", role: "group" });
  #width = 0;
  #painted = false;

  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    this.#model = model;
    this.#language = language;
    this.#text = STRINGS[language];
    this.#signal = signal;
    this.#data = readData(model, this.#text);
    this.#state = readState(model, this.#data);
    this.root.setAttribute("aria-label", this.#text.title);
    this.root.lang = language === "zh" ? "zh-CN" : "en";
    this.#build();
    this.update();
    followWidth(
      this.#columns,
      (width) => {
        this.#width = width;
        this.update();
        if (this.#columns.scrollWidth > width) this.#columns.tabIndex = 0;
        else this.#columns.removeAttribute("tabindex");
      },
      signal,
    );
  }

  update(): void {
    this.#state = readState(this.#model, this.#data);
    this.root.dataset.view = this.#state.table ? "table" : "figure";
    for (const part of this.#parts) part(this.#state);
    const summary = this.#summary(this.#state);
    if (this.#painted) this.#live.say(summary);
    this.#painted = true;
  }

  #set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #group(name: string): string {
    return this.#data.groupLabels[name]?.[this.#language] ?? name;
  }

  #summary(state: State): string {
    const { routing, token } = state;
    const routed = this.#assignments(state, token)
      .map(
        ({ expert, weight, kept }) =>
          `E${expert} ${weight.toFixed(2)}${kept ? "" : ` (${this.#text.tables.dropped})`}`,
      )
      .join(", ");
    return this.#text.summary(
      shown(this.#data.tokens[token]),
      routed,
      routing.balanceLoss.toFixed(3),
      `${(100 * routing.dropFraction).toFixed(1)}%`,
    );
  }

  #assignments(
    { routing }: State,
    token: number,
  ): { expert: number; weight: number; kept: boolean; slot: number }[] {
    return Array.from({ length: routing.topK }, (_, rank) => {
      const at = token * routing.topK + rank;
      return {
        expert: routing.chosen[at],
        weight: routing.weights[at],
        kept: routing.kept[at] === 1,
        slot: routing.slots[at],
      };
    });
  }

  #build(): void {
    this.#columns.setAttribute("aria-label", this.#text.expert);
    this.#columns.style.setProperty("--fw-experts", String(this.#data.experts));
    const figure = h(
      "div",
      { class: "fw-figure" },
      this.#strip(),
      this.#stages(),
      this.#router(),
      this.#columns,
    );
    this.#columns.append(
      this.#pipeline(),
      ...this.#path(),
      this.#experts(),
      this.#bins(),
      this.#load(),
      ...this.#ablation(),
      ...this.#matrix(),
    );
    this.root.append(
      ...this.#sentence(),
      this.#training(),
      figure,
      this.#tables(),
      this.#metrics(),
      this.#dropped(),
      this.#routers(),
      ...this.#parallel(),
      this.#sizes(),
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
          [...DATA_TRAITS, "data_sha256", "run", "step", "layer", "selected_token"].map((trait) => [
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
      traits: (pass, tokens, engine) => {
        const size = tokens.length * engine.experts;
        const logits = new Float32Array(pass.routers.length * size);
        pass.routers.forEach((scores, l) => logits.set(scores, l * size));
        return {
          tokens,
          groups: [],
          group_labels: {},
          snapshots: [{ run: "", step: 0 }],
          shape: [1, pass.routers.length, tokens.length, engine.experts],
          logits: new DataView(logits.buffer),
          ablation: new DataView(new ArrayBuffer(0)),
          ablation_tokens: 0,
          data_sha256: "",
          run: "",
          step: 0,
          selected_token: tokens.length - 1,
          selected_expert: -1,
        };
      },
      own: () => published.get(this.#model) ?? null,
    });
    this.#parts.push((state) => panel.set(state.token));
    return [panel.element];
  }

  // ---- training: run, step, layer ----------------------------------------------------------------------

  #training(): HTMLElement {
    const { snapshots, layers } = this.#data;
    const text = this.#text;
    const row = h("div", { class: "fw-row fw-controls" });
    const runs = [...new Set(snapshots.map((frame) => frame.run))];
    const stepsOf = (run: string): number[] =>
      snapshots
        .filter((frame) => frame.run === run)
        .map((frame) => frame.step)
        .sort((a, b) => a - b);
    if (runs.length > 1) {
      const run = choice(
        text.run,
        runs.map((name) => text.runs[name] ?? name),
        (i) => this.#set({ run: runs[i] }),
      );
      this.#parts.push((state) => run.set(runs.indexOf(snapshots[state.snapshot].run)));
      row.append(run.element);
    }
    if (snapshots.length > 1) {
      const current = (): string => snapshots[this.#state.snapshot].run;
      const step = range(text.step, { min: 0, max: stepsOf(current()).length - 1, step: 1 }, (i) =>
        this.#set({ step: stepsOf(current())[i] }),
      );
      this.#parts.push((state) => {
        const frame = snapshots[state.snapshot];
        const steps = stepsOf(frame.run);
        step.set(
          steps.indexOf(frame.step),
          text.stepText(frame.step, frame.val_loss ?? null),
          steps.length - 1,
        );
      });
      const steps = (): number[] => stepsOf(current());
      step.element.append(
        player({
          text,
          signal: this.#signal,
          every: 900,
          now: () => steps().indexOf(snapshots[this.#state.snapshot].step),
          last: () => steps().length - 1,
          show: (i) => this.#set({ step: steps()[i] }),
        }),
      );
      row.append(step.element, this.#history());
    }
    if (layers > 1) {
      if (layers <= 8) {
        const layer = choice(
          text.layer,
          Array.from({ length: layers }, (_, i) => String(i)),
          (i) => this.#set({ layer: i }),
        );
        this.#parts.push((state) => layer.set(state.layer));
        row.append(layer.element);
      } else {
        const layer = range(text.layer, { min: 0, max: layers - 1, step: 1 }, (i) => this.#set({ layer: i }));
        this.#parts.push((state) => layer.set(state.layer, String(state.layer)));
        row.append(layer.element);
      }
    }
    return row;
  }

  #history(): HTMLElement {
    const place = h("div", { class: "fw-history" });
    const box = h(
      "div",
      { class: "fw-history-box" },
      h("div", { class: "fw-caption" }, this.#text.history),
      place,
    );
    const paint = picture(place);
    let key = "";
    let lines: ReturnType<typeof history> = [];
    this.#parts.push((state) => {
      const next = JSON.stringify([state.layer, state.options]);
      if (next !== key) lines = history(state);
      key = next;
      const drawing = drawHistory(state, lines, 230);
      const said = lines
        .map(
          (line) =>
            `${this.#text.runs[line.run] ?? line.run} ${line.steps.map((step, i) => `${step}: ${line.losses[i].toFixed(2)}`).join(", ")}`,
        )
        .join("; ");
      paint(drawing, this.#text.historyLabel(said));
    });
    return box;
  }

  // ---- tokens ------------------------------------------------------------------------------------------

  #strip(): HTMLElement {
    const text = this.#text;
    const list = h("div", {
      class: "fw-strip",
      role: "listbox",
      "aria-label": text.tokens,
      "aria-orientation": "horizontal",
    });
    const parts = segments(this.#data);
    const chips = this.#data.tokens.map((token, i) => {
      const chip = h(
        "div",
        { class: "fw-chip", role: "option", "data-token": i },
        h("span", { class: "fw-token" }, shown(token)),
        h("span", { class: "fw-badge" }),
        h("span", { class: "fw-hidden" }),
      );
      return chip;
    });
    for (const { group, start, end } of parts) {
      const members = chips.slice(start, end);
      if (!group) {
        list.append(...members);
        continue;
      }
      const id = uniqueId("group");
      list.append(
        h(
          "div",
          { class: "fw-segment", role: "group", "aria-labelledby": id },
          h("span", { id, class: "fw-segment-name", role: "presentation" }, this.#group(group)),
          ...members,
        ),
      );
    }
    list.addEventListener(
      "click",
      (event) => {
        const chip = (event.target as Element).closest<HTMLElement>("[data-token]");
        if (chip) this.#set({ selected_token: Number(chip.dataset.token) });
      },
      { signal: this.#signal },
    );
    roving(list, {
      items: () => chips,
      move: (index) => this.#set({ selected_token: index }),
      activate: (index) =>
        this.#set({
          selected_token: index,
          selected_expert: this.#state.routing.chosen[index * this.#state.routing.topK],
        }),
      release: () => this.#set({ selected_expert: -1 }),
      segments: () => parts.map((part) => part.start),
      signal: this.#signal,
    });
    this.#parts.push((state) => {
      const { routing } = state;
      setTabStop(chips, state.token);
      chips.forEach((chip, i) => {
        const routed = this.#assignments(state, i);
        const first = routed[0];
        const mine = routed.some(({ expert }) => expert === state.expert);
        const lost = routed.every(({ kept }) => !kept);
        setAttribute(
          chip,
          "class",
          `fw-chip fw-hue-${first.expert % 8}${mine ? " fw-mine" : ""}${lost ? " fw-lost" : ""}`,
        );
        setAttribute(chip, "aria-selected", String(i === state.token));
        setText(chip.children[1], String(first.expert));
        const said = routed
          .map(
            ({ expert, weight, kept }) =>
              `E${expert} ${weight.toFixed(2)}${kept ? "" : ` ${text.tables.dropped}`}`,
          )
          .join(", ");
        setText(chip.children[2], text.tokenLabel(i, said)); // read after the visible text, which names the option
      });
      setAttribute(list, "data-experts", String(routing.experts));
    });
    return h("div", { class: "fw-panel" }, h("div", { class: "fw-caption" }, text.tokens), list);
  }

  // ---- step-through ------------------------------------------------------------------------------------

  #stages(): HTMLElement {
    const text = this.#text;
    const caption = h("span", { class: "fw-caption" });
    const go = (by: number): void =>
      this.#set({ stage: Math.min(STAGES - 1, Math.max(0, this.#state.stage + by)) });
    const previous = button("‹", () => go(-1), text.previous);
    const next = button("›", () => go(1), text.next);
    const stage = choice(text.stageLabel, text.stages, (i) => this.#set({ stage: i }));
    stage.element.classList.add("fw-stages");
    const explanation = h("p", { class: "fw-explain" });
    this.#parts.push((state) => {
      stage.set(state.stage);
      previous.disabled = state.stage === 0;
      next.disabled = state.stage === STAGES - 1;
      setText(caption, text.tokenCaption(shown(this.#data.tokens[state.token]), state.token));
      explanation.replaceChildren(...this.#explain(state));
    });
    return h(
      "div",
      { class: "fw-panel" },
      h(
        "div",
        { class: "fw-row" },
        caption,
        h("div", { class: "fw-stepper" }, previous, stage.element, next),
      ),
      explanation,
    );
  }

  #explain(state: State): (Node | string)[] {
    const { explain } = this.#text;
    const { routing, options, token } = state;
    const routed = this.#assignments(state, token);
    const p = (e: number): number => routing.probabilities[token * routing.experts + e];
    const mass = routed.reduce((sum, { expert }) => sum + p(expert), 0);
    const first = routed[0].expert;
    switch (state.stage) {
      case 0:
        return [explain.x(state.layer)];
      case 1:
        return [explain.logits(`E${first}`, state.scores[token * routing.experts + first].toFixed(2))];
      case 2:
        return [explain.softmax(options.temperature.toFixed(2))];
      case 3:
        return [
          explain.topK(routing.topK, routed.map(({ expert }) => `E${expert}`).join(", "), mass.toFixed(3)),
        ];
      case 4:
        return [options.renormalize ? explain.renormalize(mass.toFixed(3)) : explain.raw(mass.toFixed(3))];
      default: {
        const terms = routed.flatMap(({ expert, weight, kept }, i) => {
          const term = h(
            kept ? "span" : "s",
            { class: "fw-term" },
            number(weight, 3, `weight-${i}`),
            "·E",
            h("sub", {}, String(expert)),
            "(x)",
          );
          return i ? [" + ", term] : [term];
        });
        const full = routed.filter(({ kept }) => !kept).map(({ expert }) => `E${expert}`);
        return [
          h("span", { class: "fw-formula" }, "y = ", ...terms),
          ...(full.length ? [" ", explain.dropped(full.join(", "))] : []),
        ];
      }
    }
  }

  #pipeline(): HTMLElement {
    const text = this.#text;
    const { experts } = this.#data;
    const all = Array.from({ length: experts }, (_, e) => e);
    const heads = all.map((e) => h("th", { scope: "col", "data-expert": e }, badge(e)));
    const names = ["logits", "softmax", "topK", "weight"] as const;
    const cells = names.map((row) =>
      all.map(() =>
        h(
          "td",
          { class: `fw-cell fw-cell-${row}` },
          h("span", { class: "fw-bar", "aria-hidden": "true" }),
          h("data"),
        ),
      ),
    );
    const rows = names.map((row, i) =>
      h("tr", { "data-row": row }, h("th", { scope: "row" }, text.rows[row]), ...cells[i]),
    );
    const caption = h("caption", { class: "fw-hidden" });
    const table = h(
      "table",
      { class: "fw-pipeline" },
      caption,
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, text.expert), ...heads)),
      h("tbody", {}, ...rows),
    );
    table.addEventListener(
      "click",
      (event) => {
        const head = (event.target as Element).closest<HTMLElement>("[data-expert]");
        if (head) this.#choose(Number(head.dataset.expert));
      },
      { signal: this.#signal },
    );
    const fill = (cell: HTMLElement, value: number | null, shownAs: string, height: number): void => {
      const [bar, data] = cell.children as unknown as [HTMLElement, HTMLDataElement];
      bar.style.setProperty("--v", String(Math.abs(height)));
      bar.classList.toggle("fw-down", height < 0);
      setAttribute(data, "value", value === null ? "" : String(value));
      setText(data, shownAs);
    };
    this.#parts.push((state) => {
      const { routing, token, stage } = state;
      setText(caption, text.tables.token(shown(this.#data.tokens[token])));
      const routed = this.#assignments(state, token);
      const start = token * experts;
      let largest = 1e-9;
      for (const e of all) largest = Math.max(largest, Math.abs(state.scores[start + e]));
      rows.forEach((row, i) => row.classList.toggle("fw-later", stage < i + 1));
      rows.forEach((row, i) => row.classList.toggle("fw-now", stage === i + 1 || (stage === 5 && i === 3)));
      for (const e of all) {
        const rank = routed.findIndex(({ expert }) => expert === e);
        const mine = rank >= 0 ? routed[rank] : null;
        fill(
          cells[0][e],
          state.scores[start + e],
          state.scores[start + e].toFixed(2),
          state.scores[start + e] / largest,
        );
        fill(
          cells[1][e],
          routing.probabilities[start + e],
          routing.probabilities[start + e].toFixed(3),
          routing.probabilities[start + e],
        );
        fill(cells[2][e], mine ? rank + 1 : null, mine ? `#${rank + 1}` : "–", 0);
        fill(
          cells[3][e],
          mine ? mine.weight : null,
          mine ? mine.weight.toFixed(3) : "–",
          mine ? mine.weight : 0,
        );
        for (const [i, row] of cells.entries())
          setAttribute(
            row[e],
            "class",
            `fw-cell fw-cell-${names[i]} fw-hue-${e % 8}${mine && stage >= 3 ? " fw-chosen" : ""}${mine && !mine.kept && stage === 5 ? " fw-lost" : ""}`,
          );
        heads[e].classList.toggle("fw-mine", e === state.expert);
      }
    });
    return table;
  }

  // ---- through the layers ------------------------------------------------------------------------------

  #pathOf({ data, snapshot, token, options }: State): TokenPath {
    return tokenPath(
      Array.from({ length: data.layers }, (_, layer) => scoresOf(data, snapshot, layer)),
      token,
      data.tokens.length,
      data.experts,
      options,
    );
  }

  #path(): HTMLElement[] {
    const text = this.#text;
    if (this.#data.layers < 2) return [];
    const caption = h("div", { class: "fw-caption" });
    const place = h("div", { class: "fw-drawing fw-path" });
    const paint = picture(place);
    place.addEventListener(
      "click",
      (event) => {
        const row = (event.target as Element).closest<SVGElement>("[data-layer]");
        if (row) this.#set({ layer: Number(row.dataset.layer) });
      },
      { signal: this.#signal },
    );
    const line = h("p", { class: "fw-line" });
    this.#parts.push((state) => {
      const way = this.#pathOf(state);
      const token = shown(this.#data.tokens[state.token]);
      const said = way.chosen.map((chosen, layer) =>
        text.pathLayer(
          layer,
          [...chosen].map((e, rank) => `E${e} ${way.weights[layer][rank].toFixed(2)}`).join(", "),
        ),
      );
      setText(caption, text.path(token));
      paint(
        drawPath(state, text, way, columns(this.#drawingWidth(), this.#data.experts)),
        text.pathLabel(token, said.join("; ")),
      );
      line.replaceChildren(
        way.chosen.map((chosen) => `E${chosen[0]}`).join(" → "),
        ": ",
        number(way.alike, 0, "alike"),
        " ",
        text.alike(this.#data.tokens.length),
      );
    });
    return [h("div", {}, caption, place, line)];
  }

  // ---- router settings ---------------------------------------------------------------------------------

  #router(): HTMLElement {
    const text = this.#text;
    const { experts } = this.#data;
    const topK = range(text.topK, { min: 1, max: experts, step: 1 }, (k) => this.#set({ top_k: k }));
    const temperature = range(text.temperature, { min: 0.1, max: 4, step: 0.1 }, (t) =>
      this.#set({ temperature: Math.round(t * 10) / 10 }),
    );
    const capacity = range(text.capacity, { min: 0, max: CAPACITIES.length - 1, step: 1 }, (i) =>
      this.#set({ capacity_factor: CAPACITIES[i] }),
    );
    const renormalize = check(text.renormalize, (on) => this.#set({ renormalize: on }));
    const priority = check(text.priority, (on) => this.#set({ priority: on }));
    const first: Record<string, unknown> = Object.fromEntries(
      ["run", "step", "layer", "top_k", "temperature", "capacity_factor", "renormalize", "priority"].map(
        (name) => [name, this.#model.get(name)],
      ),
    );
    const reset = button(text.reset, () => this.#set({ ...first, selected_expert: -1, stage: STAGES - 1 }));
    this.#parts.push(({ options, routing }) => {
      topK.set(options.topK, String(options.topK));
      temperature.set(options.temperature, options.temperature.toFixed(1));
      const nearest = CAPACITIES.reduce((a, b) =>
        Math.abs(b - options.capacityFactor) < Math.abs(a - options.capacityFactor) ? b : a,
      );
      capacity.set(
        CAPACITIES.indexOf(nearest),
        routing.capacity === null
          ? text.dropless
          : text.capacityText(String(options.capacityFactor), routing.capacity),
      );
      renormalize.set(options.renormalize);
      priority.set(options.priority ?? false);
    });
    return h(
      "div",
      { class: "fw-row fw-controls fw-router" },
      topK.element,
      temperature.element,
      capacity.element,
      priority.element,
      renormalize.element,
      reset,
    );
  }

  // ---- experts -----------------------------------------------------------------------------------------

  #choose(expert: number): void {
    this.#set({ selected_expert: this.#state.expert === expert ? -1 : expert });
  }

  #experts(): HTMLElement {
    const text = this.#text;
    const options = Array.from({ length: this.#data.experts }, (_, e) =>
      h(
        "div",
        { class: `fw-expert fw-hue-${e % 8}`, role: "option", "data-expert": e },
        badge(e),
        h("span", { class: "fw-count" }),
        h("span", { class: "fw-hidden" }),
      ),
    );
    const list = h(
      "div",
      { class: "fw-experts", role: "listbox", "aria-label": text.experts, "aria-orientation": "horizontal" },
      ...options,
    );
    list.addEventListener(
      "click",
      (event) => {
        const option = (event.target as Element).closest<HTMLElement>("[data-expert]");
        if (option) this.#choose(Number(option.dataset.expert));
      },
      { signal: this.#signal },
    );
    roving(list, {
      items: () => options,
      move: (index) => this.#set({ selected_expert: index }),
      activate: (index) => this.#choose(index),
      release: () => this.#set({ selected_expert: -1 }),
      signal: this.#signal,
    });
    const wanted = h("p", { class: "fw-line fw-wanted" });
    this.#parts.push((state) => {
      const { routing } = state;
      setTabStop(options, Math.max(0, state.expert));
      options.forEach((option, e) => {
        const count = routing.counts[e];
        const dropped = routing.capacity === null ? 0 : Math.max(0, count - routing.capacity);
        setAttribute(option, "aria-selected", String(e === state.expert));
        setText(option.children[1], dropped ? `${count - dropped}/${count}` : String(count));
        setText(option.children[2], text.expertLabel(dropped));
      });
      if (state.expert < 0) setText(wanted, text.chooseExpert);
      else {
        const top = tokensOf(routing, state.expert)
          .slice(0, 8)
          .map((token) =>
            h(
              "span",
              { class: "fw-mini" },
              shown(this.#data.tokens[token]),
              " ",
              number(routing.probabilities[token * routing.experts + state.expert], 2),
            ),
          );
        wanted.replaceChildren(text.topTokens(state.expert), " ", ...top);
      }
    });
    const off = h("p", { class: "fw-line fw-off" });
    let key = "";
    this.#parts.push((state) => {
      const reading = state.expert < 0 ? null : readingOf(this.#model);
      off.hidden = !reading || reading.pass.ids.length < 2;
      if (!reading || off.hidden) return void (key = "");
      const next = [reading.sentence, state.layer, state.expert].join();
      if (next === key) return;
      key = next;
      const whole = reading.model.loss(reading.pass);
      const without = reading.model.loss(
        reading.model.forward(reading.pass.ids, { layer: state.layer, expert: state.expert }),
      );
      const change = number(without - whole, 3, "off");
      if (without >= whole) change.prepend("+");
      off.replaceChildren(
        text.off(state.layer, state.expert),
        ` ${whole.toFixed(3)} → ${without.toFixed(3)} (`,
        change,
        ")",
      );
    });
    const caption = h("div", { class: "fw-caption" });
    this.#parts.push((state) => setText(caption, state.options.priority ? text.binsBySureness : text.bins));
    return h("div", {}, caption, list, wanted, off);
  }

  #bins(): HTMLElement {
    const place = h("div", { class: "fw-drawing fw-bins" });
    const paint = picture(place);
    place.addEventListener(
      "click",
      (event) => {
        const cell = (event.target as Element).closest<SVGElement>("[data-token]");
        if (cell) this.#set({ selected_token: Number(cell.dataset.token) });
      },
      { signal: this.#signal },
    );
    this.#parts.push((state) => {
      const drawing = drawBins(state, this.#text, columns(this.#drawingWidth(), this.#data.experts));
      const { counts, capacity } = state.routing;
      paint(
        drawing,
        this.#text.binsLabel(
          [...counts]
            .map((n, e) => `E${e} ${capacity === null ? n : `${Math.min(n, capacity)}/${capacity}`}`)
            .join(", "),
        ),
      );
    });
    return place;
  }

  #load(): HTMLElement {
    const place = h("div", { class: "fw-drawing" });
    const paint = picture(place);
    this.#parts.push((state) => {
      const drawing = drawLoad(state, this.#text, columns(this.#drawingWidth(), this.#data.experts));
      const { f, P } = state.routing;
      paint(
        drawing,
        this.#text.loadLabel(
          [...f].map((value, e) => `E${e} f ${value.toFixed(3)} P ${P[e].toFixed(3)}`).join(", "),
        ),
      );
    });
    return h("div", {}, h("div", { class: "fw-caption" }, this.#text.load), place);
  }

  #matrix(): HTMLElement[] {
    if (new Set(this.#data.groups).size < 2) return [];
    const place = h("div", { class: "fw-drawing" });
    const paint = picture(place);
    this.#parts.push((state) => {
      const matrix = specialisation(state);
      const names = matrix.groups.map((group) => this.#group(group));
      const drawing = drawMatrix(matrix, names, columns(this.#drawingWidth(), this.#data.experts));
      const said = matrix.share
        .map(
          (row, i) => `${names[i]}: ${row.map((share, e) => `E${e} ${Math.round(100 * share)}%`).join(", ")}`,
        )
        .join("; ");
      paint(drawing, this.#text.matrixLabel(said));
    });
    const line = h("p", { class: "fw-line" });
    const numbers = this.#data.groups.map((group) => [...new Set(this.#data.groups)].indexOf(group));
    let key = "";
    this.#parts.push(({ routing, snapshot, layer, options }) => {
      const next = [snapshot, layer, options.topK].join(); // nothing else changes who chose whom
      if (next === key) return;
      key = next;
      const chance = shuffledInformation(routing, numbers, SHUFFLES);
      line.replaceChildren(
        this.#text.information,
        " ",
        number(mutualInformation(routing, numbers), 2, "information"),
        this.#text.chance(SHUFFLES),
        " ",
        number(chance[Math.floor(0.95 * SHUFFLES)], 2, "chance"),
        this.#text.chanceNote,
      );
    });
    return [h("div", {}, h("div", { class: "fw-caption" }, this.#text.matrix), place, line)];
  }

  #ablation(): HTMLElement[] {
    const text = this.#text;
    const { ablation, ablationTokens, snapshots } = this.#data;
    if (!ablation.length) return [];
    const place = h("div", { class: "fw-drawing" });
    const paint = picture(place);
    const line = h("p", { class: "fw-line" });
    this.#parts.push((state) => {
      const found = ablationOf(state) ?? [];
      paint(
        drawAblation(state, columns(this.#drawingWidth(), this.#data.experts)),
        text.ablationLabel(
          found.map(({ change, error }, e) => `E${e} ${signed(change, 3)} ± ${error.toFixed(3)}`).join(", "),
        ),
      );
      const whole = snapshots[state.snapshot].val_loss;
      line.hidden = state.expert < 0;
      if (state.expert < 0) return;
      const { change, error } = found[state.expert];
      line.replaceChildren(
        ...(whole === undefined
          ? [`E${state.expert}:`]
          : [text.ablationOne(state.expert, whole.toFixed(3), (whole + change).toFixed(3))]),
        " ",
        h("data", { value: String(change), "data-name": "ablation" }, signed(change, 3)),
        ` ± ${error.toFixed(3)}`,
      );
    });
    return [h("div", {}, h("div", { class: "fw-caption" }, text.ablation(ablationTokens)), place, line)];
  }

  #drawingWidth(): number {
    return Math.max(this.#width || 640, 58 + 30 * this.#data.experts);
  }

  // ---- numbers, tables, files --------------------------------------------------------------------------

  #metrics(): HTMLElement {
    const { metrics, balanceNote, of } = this.#text;
    const { experts } = this.#data;
    const values = (["balance", "z", "cv", "entropy", "dropped"] as const).map((name) => {
      const value = h("data", { "data-name": name });
      const note = h("small", {}, name === "entropy" ? of(Math.log2(experts).toFixed(2)) : "");
      return {
        name,
        value,
        note,
        element: h(
          "div",
          {},
          h("dt", {}, metrics[name], " ", h("span", { class: "fw-definition" }, FORMULAS[name])),
          h("dd", {}, value, " ", note),
        ),
      };
    });
    this.#parts.push(({ routing }) => {
      const exact = {
        balance: routing.balanceLoss,
        z: routing.zLoss,
        cv: routing.cv,
        entropy: routing.entropy,
        dropped: routing.dropFraction,
      };
      for (const { name, value, note } of values) {
        setAttribute(value, "value", String(exact[name]));
        setText(value, name === "dropped" ? `${(100 * exact[name]).toFixed(1)}%` : exact[name].toFixed(3));
        // A token sends at most 1/k of its assignments to one expert, so E Σ f P ≤ E/k.
        if (name === "balance")
          setText(note, balanceNote((experts / routing.topK).toFixed(experts % routing.topK ? 1 : 0)));
        if (name === "dropped")
          setText(
            note,
            `${Math.round(exact[name] * routing.tokens * routing.topK)}/${routing.tokens * routing.topK}`,
          );
      }
    });
    return h("dl", { class: "fw-metrics" }, ...values.map(({ element }) => element));
  }

  #dropped(): HTMLElement {
    const line = h("p", { class: "fw-line fw-dropped-list" });
    this.#parts.push((state) => {
      const lost = this.#data.tokens.flatMap((token, i) =>
        this.#assignments(state, i)
          .filter(({ kept }) => !kept)
          .map(({ expert }) => ({ token, expert, i })),
      );
      if (!lost.length) return line.replaceChildren(this.#text.noneDropped);
      const few = lost
        .slice(0, 40)
        .map(({ token, expert, i }) =>
          h("span", { class: "fw-mini" }, h("s", {}, shown(token)), ` ${i}→E${expert}`),
        );
      return line.replaceChildren(
        this.#text.droppedList(lost.length),
        " ",
        ...few,
        ...(lost.length > few.length ? [" …"] : []),
      );
    });
    return line;
  }

  /** A part that is closed until the reader opens it, built then, and open still when a new sentence builds the figure anew. */
  #folded(title: string, build: (details: HTMLDetailsElement) => HTMLElement[]): HTMLDetailsElement {
    const open = opened.get(this.#model) ?? new Set<string>();
    opened.set(this.#model, open);
    const details = h(
      "details",
      { class: "fw-panel fw-compare", open: open.has(title) },
      h("summary", {}, title),
    );
    const fill = (): void => {
      const known = this.#parts.length;
      details.append(...build(details));
      for (const part of this.#parts.slice(known)) part(this.#state);
    };
    details.addEventListener(
      "toggle",
      () => {
        if (details.open) open.add(title);
        else open.delete(title);
        if (details.open && details.childElementCount === 1) fill();
        else if (details.open) this.update();
      },
      { signal: this.#signal },
    );
    if (details.open) fill();
    return details;
  }

  /** A table that moves sideways where it is wider than its place, and only then is a stop for the keyboard. */
  #scrolling(title: string, table: HTMLTableElement): HTMLElement {
    const place = h("div", { class: "fw-routers", role: "group", "aria-label": title }, table);
    followWidth(
      place,
      (width) => {
        if (place.scrollWidth > width) place.tabIndex = 0;
        else place.removeAttribute("tabindex");
      },
      this.#signal,
    );
    return place;
  }

  // ---- routers side by side ----------------------------------------------------------------------------

  #routers(): HTMLElement {
    return this.#folded(this.#text.routers.title, (details) => this.#routerTable(details));
  }

  #routerTable(details: HTMLDetailsElement): HTMLElement[] {
    const text = this.#text;
    const { experts } = this.#data;
    const names = ["balanceLoss", "cv", "entropy", "dropFraction", "unserved"] as const;
    const rows = ROUTERS.map((name) => {
      const bars = Array.from({ length: experts }, (_, e) => h("span", { class: `fw-hue-${e % 8}` }));
      const load = h("span", { class: "fw-loads", role: "img" }, ...bars);
      const values = names.map((value) => h("data", { "data-router": `${name}-${value}` }));
      const element = h(
        "tr",
        {},
        h("th", { scope: "row" }, text.routers.names[name]),
        h("td", {}, load),
        ...values.map((value) => h("td", {}, value)),
      );
      return { bars, load, values, element };
    });
    const head = h("tr", {}, ...text.routers.columns.map((column) => h("th", { scope: "col" }, column)));
    const caption = h("caption", { class: "fw-hidden" }, text.routers.title);
    const scroll = this.#scrolling(
      text.routers.title,
      h("table", {}, caption, h("thead", {}, head), h("tbody", {}, ...rows.map(({ element }) => element))),
    );
    let key = "";
    this.#parts.push(({ data, scores, snapshot, layer, options }) => {
      const next = [snapshot, layer, options.capacityFactor].join();
      if (next === key || !details.open) return; // 400 steps of the bias are nothing to do in vain
      key = next;
      compareRouters(scores, data.tokens.length, experts, options.capacityFactor).forEach((found, i) => {
        const { bars, load, values } = rows[i];
        const most = Math.max(...found.counts, 1);
        bars.forEach((bar, e) => bar.style.setProperty("--v", String(found.counts[e] / most)));
        setAttribute(load, "aria-label", [...found.counts].map((n, e) => `E${e} ${n}`).join(", "));
        values.forEach((value, j) => {
          const exact = found[names[j]];
          setAttribute(value, "value", String(exact));
          setText(value, j < 3 ? exact.toFixed(2) : `${(100 * exact).toFixed(0)}%`);
        });
      });
    });
    return [scroll, h("p", { class: "fw-line" }, text.routers.note)];
  }

  // ---- experts on devices ------------------------------------------------------------------------------

  #parallel(): HTMLElement[] {
    const text = this.#text.parallel;
    const { experts } = this.#data;
    const sizes = [1, 2, 4, 8, 16, 32, 64].filter((n) => n <= experts && experts % n === 0);
    return sizes.length < 2 ? [] : [this.#folded(text.title, () => this.#parallelTable(sizes))];
  }

  #parallelTable(sizes: number[]): HTMLElement[] {
    const text = this.#text.parallel;
    const { experts } = this.#data;
    let chosen = Math.min(2, sizes.length - 1);
    const body = h("tbody");
    const said = h("p", { class: "fw-line" });
    const devices = choice(text.devices, sizes.map(String), (i) => {
      chosen = i;
      show(this.#state);
    });
    const show = ({ routing }: State): void => {
      devices.set(chosen);
      const found = expertParallel(routing, sizes[chosen]);
      const most = Math.max(...found.load, 1);
      const each = experts / sizes[chosen];
      body.replaceChildren(
        ...Array.from(found.load, (load, d) => {
          const bar = h("span", { class: "fw-next-bar", "aria-hidden": "true" });
          bar.style.setProperty("--v", String(load / most));
          const held = each > 1 ? `E${d * each}–E${(d + 1) * each - 1}` : `E${d}`;
          return h(
            "tr",
            {},
            h("th", { scope: "row" }, String(d)),
            h("td", {}, held),
            h("td", { class: "fw-wide" }, bar),
            h("td", {}, number(load, 0)),
            h("td", {}, number(found.sent[d], 0)),
            h(
              "td",
              {},
              h(
                "data",
                { value: 2 * VECTOR * found.sent[d] },
                ((2 * VECTOR * found.sent[d]) / 1024).toFixed(0),
              ),
            ),
          );
        }),
      );
      said.replaceChildren(text.straggler, " ", number(found.straggler, 2, "straggler"), text.wait);
    };
    this.#parts.push(show);
    const table = h(
      "table",
      {},
      h("caption", { class: "fw-hidden" }, text.title),
      h("thead", {}, h("tr", {}, ...text.columns.map((column) => h("th", { scope: "col" }, column)))),
      body,
    );
    return [
      h("div", { class: "fw-row" }, devices.element),
      said,
      this.#scrolling(text.title, table),
      h("p", { class: "fw-line" }, text.note),
    ];
  }

  #sizes(): HTMLElement {
    return this.#folded(sizesTitle(this.#language), () => sizesPanel(this.#language));
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.#parts.push((state) => {
      if (state.table) place.replaceChildren(...this.#tableData(state).map(dataTable));
      else if (place.childElementCount) place.replaceChildren();
    });
    return place;
  }

  #tableData(state: State): TableData[] {
    const { tables } = this.#text;
    const { routing, token, scores } = state;
    const names = this.#data.tokens.map(shown);
    const start = token * routing.experts;
    const mine = this.#assignments(state, token);
    const all = Array.from({ length: routing.experts }, (_, e) => e);
    const way = this.#pathOf(state);
    const ablation = ablationOf(state);
    return [
      {
        caption: tables.token(names[token]),
        columns: tables.stageColumns,
        rows: all.map((e) => {
          const rank = mine.findIndex(({ expert }) => expert === e);
          return [
            `E${e}`,
            scores[start + e].toFixed(4),
            routing.probabilities[start + e].toFixed(4),
            rank < 0 ? "" : rank + 1,
            rank < 0 ? "" : mine[rank].weight.toFixed(4),
          ];
        }),
      },
      {
        caption: tables.path(names[token]),
        columns: tables.pathColumns,
        rows: way.chosen.flatMap((chosen, layer) =>
          [...chosen].map((e, rank) => [layer, rank + 1, `E${e}`, way.weights[layer][rank].toFixed(4)]),
        ),
      },
      ...(ablation
        ? [
            {
              caption: tables.ablation,
              columns: tables.ablationColumns,
              rows: ablation.map(({ change, error }, e) => [`E${e}`, change.toFixed(4), error.toFixed(4)]),
            },
          ]
        : []),
      {
        caption: tables.experts,
        columns: tables.expertColumns,
        rows: all.map((e) => [
          `E${e}`,
          routing.counts[e],
          routing.capacity ?? this.#text.dropless,
          routing.capacity === null ? 0 : Math.max(0, routing.counts[e] - routing.capacity),
          routing.f[e].toFixed(4),
          routing.P[e].toFixed(4),
          tokensOf(routing, e)
            .slice(0, 5)
            .map((i) => names[i])
            .join(" "),
        ]),
      },
      {
        caption: tables.tokens,
        columns: tables.tokenColumns,
        rows: names.flatMap((name, i) =>
          this.#assignments(state, i).map(({ expert, weight, kept, slot }, rank) => [
            i,
            name,
            this.#group(this.#data.groups[i] ?? ""),
            rank + 1,
            `E${expert}`,
            weight.toFixed(4),
            kept ? slot : tables.dropped,
          ]),
        ),
      },
    ];
  }

  #csv(): string {
    const { routing, scores, snapshot, layer } = this.#state;
    const frame = this.#data.snapshots[snapshot];
    const names = [
      "run",
      "step",
      "layer",
      "token",
      "text",
      "group",
      "rank",
      "expert",
      "logit",
      "probability",
      "weight",
      "kept",
      "slot",
    ];
    return toCsv(
      names,
      this.#data.tokens.flatMap((text, i) =>
        this.#assignments(this.#state, i).map(({ expert, weight, kept, slot }, rank) => {
          const at = i * routing.experts + expert;
          return [
            frame.run,
            frame.step,
            layer,
            i,
            text,
            this.#data.groups[i] ?? "",
            rank,
            expert,
            scores[at],
            routing.probabilities[at],
            weight,
            kept,
            slot,
          ];
        }),
      ),
    );
  }

  #tools(): HTMLElement {
    const row = tools({
      language: this.#language,
      root: this.root,
      live: this.#live,
      name: "moe-routing",
      tableView: this.#text.tableView,
      toggleTable: () => this.#set({ view: this.#state.table ? "figure" : "table" }),
      draw: () => drawFigure(this.#state, this.#text, (group) => this.#group(group)),
      csv: () => this.#csv(),
    });
    this.#parts.push((state) => row.set(state.table));
    return row.element;
  }

  #source(): HTMLElement {
    const { model } = this.#data;
    const name = String(model.class ?? model.hub_id ?? "");
    const count =
      typeof model.parameters === "number"
        ? this.#text.parameters(`${(model.parameters / 1e6).toFixed(2)} M`)
        : "";
    if (this.#model.get("sentence")) return h("p", { class: "fw-source" }, this.#text.typed(name));
    return h("p", { class: "fw-source" }, name ? this.#text.source(name, count) : this.#text.ownData);
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
