// LongContextStrategies' view: DOM, events and updates. Numbers come from the mathematics, drawings from long_context_draw.
import type { AnyModel, RenderProps } from "../base/afm";
import { KINDS } from "./masks";
import { breakEven, MACHINE, MODELS, read, right, RIVALS, SHARINGS, type Cost } from "./cost";
import { button, check, choice, range } from "../base/controls";
import { h, setAttribute, setText, uniqueId } from "../base/dom";
import { liveSummary } from "../base/messages";
import { mount, type Kind as Component } from "../base/mount";
import { player } from "../base/player";
import { toCsv } from "../base/save";
import { picture, type Drawing } from "../base/shapes";
import type { Language } from "../base/strings";
import { dataTable, type TableData } from "../base/table";
import { tools } from "../base/toolbar";
import { followWidth } from "../base/width";
import {
  atFullSize,
  bill,
  bytes,
  conditions,
  contextOf,
  drawAlibi,
  drawAll,
  drawDecay,
  drawLoss,
  drawMask,
  drawMemory,
  drawRecall,
  drawSharpness,
  drawStrip,
  drawTime,
  drawWaves,
  LENGTHS,
  methodRows,
  percent,
  seconds,
  short,
  type Bill,
} from "./draw";
import {
  CHOICES,
  DATA_TRAITS,
  defaults,
  GROUPS,
  INITIAL,
  readData,
  readState,
  ropes,
  SHOWN_METHODS,
  TOPICS,
  type Data,
  type State,
  type Topic,
} from "./state";
import { STRINGS, type LongContextStrings } from "./strings";
import { alibiSlopes, alibiWindow, frequencies, turns } from "./rotary";

/** Which settings each pattern has. */
const SETTINGS: Record<string, string[]> = {
  full: [],
  causal: [],
  window: ["window"],
  dilated: ["window", "dilation"],
  global: ["window", "anchors"],
  random: ["window", "anchors", "random", "seed"],
  strided: ["stride"],
  sinks: ["window", "sinks"],
};
const BYTES = [4, 2, 1, 0.5];
const SCALES = Array.from({ length: 21 }, (_, i) => 2 ** (i / 4));

/** What each step of the tour shows. */
const STORIES: Record<string, unknown>[] = [
  { topic: "mask", kind: "causal", tokens: 48, layers: 1 },
  { topic: "mask", kind: "window", causal: true, window: 8, tokens: 48, layers: 3 },
  { topic: "mask", kind: "global", causal: false, window: 8, anchors: 1, tokens: 48, layers: 2 },
  { topic: "position", rope: "measured", method: "default", scale: 8 },
  { topic: "position", rope: "measured", method: "yarn", scale: 8 },
  { topic: "measured" },
  {
    topic: "cost",
    kind: "window",
    wide: 4096,
    model: "Llama-3.1-8B",
    sharing: "own",
    length: 1048576,
    bytes_each: 2,
  },
];

/** Choices that a shared link carries, when they differ from the initial ones. */
const SHARED = CHOICES.filter((name) => name !== "view" && name !== "story");
const MARK = "lcs";

/** Reads `#lcs&kind=window&…`; anything else gives nothing. */
export function fromAddress(hash: string): Record<string, unknown> {
  const [mark, ...pairs] = hash.replace(/^#/, "").split("&");
  if (mark !== MARK) return {};
  const found: Record<string, unknown> = {};
  for (const pair of pairs) {
    const [name, value = ""] = pair.split("=").map(decodeURIComponent);
    if (!SHARED.includes(name)) continue;
    const usual = INITIAL[name];
    if (typeof usual === "number") {
      if (value !== "" && Number.isFinite(Number(value))) found[name] = Number(value);
    } else found[name] = typeof usual === "boolean" ? value === "true" : value;
  }
  return found;
}

export function toAddress(values: (name: string) => unknown): string {
  const pairs = SHARED.filter((name) => values(name) !== undefined && values(name) !== INITIAL[name]).map(
    (name) => `${name}=${encodeURIComponent(String(values(name)))}`,
  );
  return `#${[MARK, ...pairs].join("&")}`;
}

/** Models that have taken their state from the address: a view built anew keeps what its reader chose since. */
const opened = new WeakSet<AnyModel>();

/** The address whose state a figure has taken: on a page with several, the first one shows what was shared. */
let taken = "";

function takeAddress(model: AnyModel): void {
  if (opened.has(model)) return;
  opened.add(model);
  const choices = Object.entries(location.hash === taken ? {} : fromAddress(location.hash));
  if (choices.length) taken = location.hash;
  for (const [name, value] of choices) model.set(name, value);
}

class View {
  readonly root = h("div", { class: "fw-root fw-long", role: "group" });
  #model: AnyModel;
  #language: Language;
  #text: LongContextStrings;
  #data: Data;
  #signal: AbortSignal;
  #state: State;
  #live = liveSummary();
  #parts: { topic?: Topic; update(state: State): void }[] = [];
  #panels = h("div", { class: "fw-panels" });
  #tables = h("div", { class: "fw-tables" });
  #width = 0;
  #painted = false;

  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    this.#model = model;
    this.#language = language;
    this.#text = STRINGS[language];
    this.#signal = signal;
    this.#data = readData(model, this.#text);
    takeAddress(model);
    this.#state = readState(model, this.#data);
    this.root.setAttribute("aria-label", this.#text.title);
    this.root.lang = language === "zh" ? "zh-CN" : "en";
    this.#build();
    this.update();
    followWidth(
      this.#panels,
      (width) => {
        this.#width = width;
        this.update();
      },
      signal,
    );
  }

  update(): void {
    this.#state = readState(this.#model, this.#data);
    const { topic, table } = this.#state;
    this.root.dataset.view = table ? "table" : "figure";
    this.root.dataset.topic = topic;
    for (const part of this.#parts) if (!part.topic || part.topic === topic) part.update(this.#state);
    this.#tables.replaceChildren(...(table ? this.#tableData(this.#state).map(dataTable) : []));
    if (this.#painted) this.#live.say(this.#summary(this.#state));
    this.#painted = true;
  }

  #set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.#model.set(name, value);
    this.#model.save_changes();
  }

  #on(topic: Topic | undefined, update: (state: State) => void): void {
    this.#parts.push({ topic, update });
  }

  #drawingWidth(most = 760): number {
    return Math.min(most, Math.max(280, this.#width || 640));
  }

  #summary(state: State): string {
    const { summary, kinds, methods, layerCount } = this.#text;
    switch (state.topic) {
      case "mask":
        return summary.mask(
          kinds[state.pattern.kind],
          percent(this.#cells(state) / state.tokens ** 2),
          layerCount(state.seenAfter[0]),
        );
      case "position": {
        const rows = methodRows(state.rotary);
        const now = rows.find((row) => row.method === state.rotary.method)!;
        return summary.position(
          methods[now.method],
          state.rotary.factor.toPrecision(3),
          percent(now.resolution / rows[0].resolution),
        );
      }
      case "measured":
        return summary.measured;
      default: {
        const { now } = bill(state);
        return summary.cost(contextOf(state.length), bytes(now.cache), seconds(now.prefill));
      }
    }
  }

  #cells(state: State): number {
    return state.mask.reduce((sum, cell) => sum + cell, 0);
  }

  #build(): void {
    const text = this.#text;
    const topic = choice(
      text.topic,
      TOPICS.map((name) => text.topics[name]),
      (i) => this.#set({ topic: TOPICS[i] }),
    );
    this.#on(undefined, (state) => topic.set(TOPICS.indexOf(state.topic)));
    this.#panels.append(this.#mask(), this.#position(), this.#measured(), this.#cost());
    const row = tools({
      language: this.#language,
      root: this.root,
      live: this.#live,
      name: "long-context",
      tableView: text.tableView,
      toggleTable: () => this.#set({ view: this.#state.table ? "figure" : "table" }),
      draw: () => this.#file(this.#state),
      csv: () => this.#csv(this.#state),
    });
    this.#on(undefined, (state) => row.set(state.table));
    row.element.append(
      button(text.share, () => {
        history.replaceState(
          null,
          "",
          toAddress((name) => this.#model.get(name)),
        );
        this.#live.say(text.shared);
      }),
      button(text.reset, () => this.#set({ ...INITIAL, topic: this.#state.topic })),
    );
    this.root.append(
      h("div", { class: "fw-row fw-controls" }, topic.element, this.#tour().toggle),
      this.#tourPanel,
      this.#panels,
      this.#tables,
      this.#question(),
      row.element,
      this.#source(),
      this.#live.element,
    );
  }

  // ---- a guided tour -----------------------------------------------------------------------------------

  #tourPanel = h("div", { class: "fw-tour" });

  #tour(): { toggle: HTMLButtonElement } {
    const text = this.#text;
    const go = (step: number): void =>
      this.#set(
        step < 0 || step >= STORIES.length
          ? { story: -1 }
          : { ...STORIES[step], story: step, view: "figure" },
      );
    const toggle = button(text.startStory, () => go(this.#state.story < 0 ? 0 : -1));
    const words = h("p", { class: "fw-story" });
    const count = h("span", { class: "fw-caption" });
    const previous = button(text.previous, () => go(this.#state.story - 1));
    const next = button(text.next, () => go(this.#state.story + 1));
    this.#tourPanel.append(h("div", { class: "fw-row" }, count, previous, next), words);
    this.#on(undefined, ({ story }) => {
      const on = story >= 0 && story < STORIES.length;
      this.#tourPanel.hidden = !on;
      setText(toggle, on ? text.endStory : text.startStory);
      setAttribute(toggle, "aria-pressed", String(on));
      if (!on) return;
      setText(count, `${text.story} · ${text.stepOf(story + 1, STORIES.length)}`);
      setText(words, text.stories[story]);
      previous.disabled = story === 0;
      setText(next, story === STORIES.length - 1 ? text.endStory : text.next);
    });
    return { toggle };
  }

  // ---- guess, then see ---------------------------------------------------------------------------------

  #question(): HTMLElement {
    const text = this.#text;
    const order: Topic[] = ["mask", "position", "cost"];
    const asked = order.map((topic, which) => {
      const question = text.questions[which];
      const id = uniqueId("question");
      const reveal = h("p", { class: "fw-reveal", role: "status" });
      const options = question.options.map((option, i) =>
        button(option, () => {
          options.forEach((other, j) => setAttribute(other, "aria-pressed", String(i === j)));
          setText(
            reveal,
            `${i === question.right ? text.correct : text.wrong} ${text.answerIs}${this.#language === "zh" ? "：" : ": "}${question.options[question.right]}${this.#language === "zh" ? "。" : ". "}${question.why}`,
          );
        }),
      );
      for (const option of options) option.setAttribute("aria-pressed", "false");
      return {
        topic,
        element: h(
          "div",
          { class: "fw-question", role: "group", "aria-labelledby": id },
          h(
            "p",
            { id },
            h("strong", {}, `${text.reveal}${this.#language === "zh" ? "：" : ": "}`),
            question.ask,
          ),
          h("div", { class: "fw-row" }, ...options),
          reveal,
        ),
      };
    });
    this.#on(undefined, (state) => {
      for (const { topic, element } of asked) element.hidden = topic !== state.topic;
    });
    return h("div", {}, ...asked.map(({ element }) => element));
  }

  // ---- who sees whom -----------------------------------------------------------------------------------

  #metrics(
    names: (keyof LongContextStrings["metrics"])[],
    topic: Topic,
    values: (state: State) => Record<string, [number | string, string, string?]>,
  ): HTMLElement {
    const boxes = names.map((name) => ({ name, value: h("data", { "data-name": name }), note: h("small") }));
    this.#on(topic, (state) => {
      const now = values(state);
      for (const { name, value, note } of boxes) {
        const [exact, shown, beside = ""] = now[name];
        setAttribute(value, "value", String(exact));
        setText(value, shown);
        setText(note, beside);
      }
    });
    return h(
      "dl",
      { class: "fw-metrics" },
      ...boxes.map(({ name, value, note }) =>
        h("div", {}, h("dt", {}, this.#text.metrics[name]), h("dd", {}, value, " ", note)),
      ),
    );
  }

  #panel(topic: Topic, ...children: (Node | string)[]): HTMLElement {
    const panel = h("div", { class: `fw-topic fw-topic-${topic}` }, ...children);
    this.#on(undefined, (state) => (panel.hidden = state.topic !== topic));
    return panel;
  }

  #pattern(topic: Topic): HTMLElement[] {
    const text = this.#text;
    const kind = choice(
      text.kind,
      KINDS.map((name) => text.kinds[name]),
      (i) => this.#set({ kind: KINDS[i] }),
    );
    const causal = check(text.causal, (on) => this.#set({ causal: on }));
    this.#on(topic, ({ pattern }) => {
      kind.set(KINDS.indexOf(pattern.kind));
      causal.set(pattern.causal);
      causal.element.hidden = ["full", "causal", "sinks"].includes(pattern.kind);
    });
    return [kind.element, causal.element];
  }

  #setting(
    topic: Topic,
    name: "window" | "dilation" | "anchors" | "random" | "seed" | "stride" | "sinks",
    min: number,
    max: number,
  ): HTMLElement {
    const slider = range(this.#text[name], { min, max, step: 1 }, (value) => this.#set({ [name]: value }));
    this.#on(topic, ({ pattern }) => {
      slider.set(Math.min(max, pattern[name]), String(pattern[name]));
      slider.element.hidden = !SETTINGS[pattern.kind].includes(name);
    });
    return slider.element;
  }

  #mask(): HTMLElement {
    const text = this.#text;
    const tokens = range(text.tokens, { min: 8, max: 96, step: 1 }, (value) => this.#set({ tokens: value }));
    const layers = range(text.layers, { min: 1, max: 16, step: 1 }, (value) => this.#set({ layers: value }));
    // Layer by layer, until the last token sees all that it ever will.
    layers.element.append(
      player({
        text,
        signal: this.#signal,
        every: 700,
        now: () => this.#state.layers - 1,
        last: () => Math.min(16, Math.max(1, ...this.#state.seenAfter)) - 1,
        show: (i) => this.#set({ layers: i + 1 }),
      }),
    );
    const drawn = h("div", { class: "fw-drawing" });
    const strip = h("div", { class: "fw-drawing" });
    const [paint, paintStrip] = [picture(drawn), picture(strip)];
    this.#on("mask", (state) => {
      tokens.set(state.tokens, String(state.tokens));
      layers.set(Math.min(16, state.layers), String(state.layers));
      const seen = this.#cells(state);
      paint(
        drawMask(state, this.#drawingWidth()),
        text.maskLabel(text.kinds[state.pattern.kind], state.tokens, seen, percent(seen / state.tokens ** 2)),
      );
      paintStrip(
        drawStrip(state, this.#drawingWidth()),
        text.stripLabel(Array.from(state.seenAfter, (after) => (after < 0 ? "·" : after)).join(" ")),
      );
    });
    const metrics = this.#metrics(["cells", "share", "first", "path", "row"], "mask", (state) => {
      const seen = this.#cells(state);
      const share = seen / state.tokens ** 2;
      return {
        cells: [seen, String(seen), `/ ${state.tokens ** 2}`],
        share: [share, percent(share)],
        first: [state.seenAfter[0], text.layerCount(state.seenAfter[0])],
        path: [state.path.mean, state.path.mean.toFixed(2), text.ofAll(percent(state.path.share))],
        row: [seen / state.tokens, (seen / state.tokens).toFixed(1)],
      };
    });
    return this.#panel(
      "mask",
      h("div", { class: "fw-row fw-controls" }, ...this.#pattern("mask")),
      h(
        "div",
        { class: "fw-row fw-controls" },
        this.#setting("mask", "window", 1, 48),
        this.#setting("mask", "dilation", 1, 8),
        this.#setting("mask", "anchors", 0, 8),
        this.#setting("mask", "random", 0, 8),
        this.#setting("mask", "seed", 0, 20),
        this.#setting("mask", "stride", 1, 32),
        this.#setting("mask", "sinks", 0, 8),
        tokens.element,
        layers.element,
      ),
      h(
        "div",
        { class: "fw-beside" },
        h(
          "div",
          { class: "fw-figure" },
          h("div", { class: "fw-caption" }, text.mask),
          drawn,
          h("div", { class: "fw-caption" }, text.strip),
          strip,
        ),
        metrics,
      ),
    );
  }

  // ---- how positions turn ------------------------------------------------------------------------------

  #position(): HTMLElement {
    const text = this.#text;
    const names = Object.keys(ropes(this.#data));
    const rope = choice(
      text.rope,
      names.map((name) => text.ropes[name]),
      (i) => this.#set({ rope: names[i] }),
    );
    const method = choice(
      text.method,
      SHOWN_METHODS.map((name) => text.methods[name]),
      (i) => this.#set({ method: SHOWN_METHODS[i] }),
    );
    const scale = range(text.scale, { min: 0, max: SCALES.length - 1, step: 1 }, (i) =>
      this.#set({ scale: SCALES[i] }),
    );
    const places = [0, 1, 2, 3].map(() => h("div", { class: "fw-drawing" }));
    const [waves, decay, sharp, alibi] = places.map(picture);
    this.#on("position", (state) => {
      const { rotary } = state;
      const which = names.findIndex((name) => name === this.#model.get("rope"));
      rope.set(Math.max(0, which));
      method.set(SHOWN_METHODS.indexOf(rotary.method));
      scale.set(
        SCALES.reduce(
          (best, value, i) =>
            Math.abs(value - rotary.factor) < Math.abs(SCALES[best] - rotary.factor) ? i : best,
          0,
        ),
        `${Number(rotary.factor.toPrecision(3))}×`,
      );
      const width = this.#drawingWidth();
      const speeds = frequencies(rotary);
      waves(
        drawWaves(state, text, width),
        text.wavesLabel(Array.from(speeds, (speed) => ((2 * Math.PI) / speed).toPrecision(3)).join(", ")),
      );
      decay(
        drawDecay(state, text, width),
        text.decayLabel(`${text.methods[rotary.method]}, ${Number(rotary.factor.toPrecision(3))}×`),
      );
      const rows = methodRows(rotary);
      sharp(
        drawSharpness(rows, rotary.method, text, width),
        text.sharpnessLabel(
          rows.map((row) => `${text.methods[row.method]} ${row.resolution.toPrecision(2)}`).join(", "),
        ),
      );
      const heads = ropes(this.#data)[names[Math.max(0, which)]].heads;
      alibi(
        drawAlibi(state, heads, text, width),
        text.alibiLabel(
          Array.from(alibiWindow(alibiSlopes(Math.min(16, heads)), 5), (window) =>
            window.toPrecision(3),
          ).join(", "),
        ),
      );
    });
    const metrics = this.#metrics(
      ["resolution", "temperature", "unfinished", "closest"],
      "position",
      ({ rotary }) => {
        const rows = methodRows(rotary);
        const now = rows.find((row) => row.method === rotary.method)!;
        return {
          resolution: [
            now.resolution,
            now.resolution.toPrecision(3),
            percent(now.resolution / rows[0].resolution),
          ],
          temperature: [now.temperature, now.temperature.toFixed(3)],
          unfinished: [now.unfinished, String(now.unfinished), `/ ${rotary.headDim / 2}`],
          closest: [now.closest, String(now.closest)],
        };
      },
    );
    const captions = [text.waves, text.decay, text.sharpness, text.alibi];
    return this.#panel(
      "position",
      h("div", { class: "fw-row fw-controls" }, rope.element, method.element, scale.element),
      h(
        "div",
        { class: "fw-figure" },
        ...places.flatMap((place, i) => [h("div", { class: "fw-caption" }, captions[i]), place]),
      ),
      metrics,
    );
  }

  // ---- measured ----------------------------------------------------------------------------------------

  #measured(): HTMLElement {
    const text = this.#text;
    const group = choice(
      text.group,
      GROUPS.map((name) => text.groups[name]),
      (i) => this.#set({ group: GROUPS[i] }),
    );
    const places = [0, 1].map(() => h("div", { class: "fw-drawing" }));
    const [loss, recall] = places.map(picture);
    const said = (state: State, what: "loss" | "recall"): string =>
      conditions(state)
        .map(
          (name) =>
            `${text.curves[name] ?? name} ${state.data.curves[name][what].map((row) => (row.reduce((a, b) => a + b, 0) / row.length).toFixed(2)).join(" ")}`,
        )
        .join("; ");
    this.#on("measured", (state) => {
      const width = this.#drawingWidth();
      group.set(GROUPS.indexOf(state.group));
      loss(drawLoss(state, text, width), text.lossLabel(said(state, "loss")));
      recall(drawRecall(state, text, width), text.recallLabel(said(state, "recall")));
    });
    const captions = [text.loss, text.recall];
    return this.#panel(
      "measured",
      h("div", { class: "fw-row fw-controls" }, group.element),
      h(
        "div",
        { class: "fw-figure" },
        h("p", { class: "fw-source" }, text.seeds),
        ...places.flatMap((place, i) => [h("div", { class: "fw-caption" }, captions[i]), place]),
      ),
    );
  }

  // ---- what it costs -----------------------------------------------------------------------------------

  #cost(): HTMLElement {
    const text = this.#text;
    const names = Object.keys(MODELS);
    const ways = ["own", ...SHARINGS] as const;
    const model = choice(text.model, names, (i) => this.#set({ model: names[i] }));
    const sharing = choice(
      text.sharing,
      ways.map((name) => text.sharings[name]),
      (i) => this.#set({ sharing: ways[i] }),
    );
    const length = range(text.length, { min: 0, max: LENGTHS.length - 1, step: 1 }, (i) =>
      this.#set({ length: LENGTHS[i] }),
    );
    const wide = range(text.wide, { min: 4, max: 17, step: 1 }, (i) => this.#set({ wide: 2 ** i }));
    const width = choice(
      text.bytes,
      BYTES.map((n) => text.bytesText(n)),
      (i) => this.#set({ bytes_each: BYTES[i] }),
    );
    const places = [h("div", { class: "fw-drawing" }), h("div", { class: "fw-drawing" })];
    const [time, memory] = places.map(picture);
    const nearest = (values: readonly number[], wanted: number): number =>
      values.reduce(
        (best, value, i) =>
          Math.abs(Math.log(value / wanted)) < Math.abs(Math.log(values[best] / wanted)) ? i : best,
        0,
      );
    const said = (found: Bill, value: (cost: Cost) => string): string =>
      found.rows.map((row) => `${contextOf(row.n)} ${value(row.chosen)}`).join(", ");
    this.#on("cost", (state) => {
      const found = bill(state);
      model.set(names.indexOf(state.model));
      sharing.set(ways.indexOf(state.sharing));
      length.set(nearest(LENGTHS, state.length), contextOf(state.length));
      wide.set(Math.round(Math.log2(state.wide)), contextOf(state.wide));
      wide.element.hidden = ["full", "causal"].includes(state.pattern.kind);
      width.set(BYTES.indexOf(state.bytesEach));
      time(
        drawTime(state, text, found, this.#drawingWidth()),
        text.growthLabel(said(found, (cost) => seconds(cost.prefill))),
      );
      memory(
        drawMemory(state, text, found, this.#drawingWidth()),
        text.memoryLabel(said(found, (cost) => bytes(cost.cache))),
      );
    });
    const metrics = this.#metrics(
      ["share", "attention", "others", "cache", "prefill", "decode", "fits"],
      "cost",
      (state) => {
        const { now, causal } = bill(state);
        const of = (value: number, whole: number): string =>
          value === whole ? "" : `${percent(value / whole)} / ${this.#text.kinds.causal}`;
        return {
          share: [now.share, percent(now.share)],
          attention: [now.attention, short(now.attention), of(now.attention, causal.attention)],
          others: [now.others, short(now.others)],
          cache: [now.cache, bytes(now.cache), of(now.cache, causal.cache)],
          prefill: [now.prefill, seconds(now.prefill), of(now.prefill, causal.prefill)],
          decode: [now.decode, seconds(now.decode), of(now.decode, causal.decode)],
          fits: [String(now.fits), now.fits ? text.yes : text.no],
        };
      },
    );
    return this.#panel(
      "cost",
      h("div", { class: "fw-row fw-controls" }, model.element, sharing.element, width.element),
      h("div", { class: "fw-row fw-controls" }, ...this.#pattern("cost"), wide.element, length.element),
      metrics,
      this.#rival(),
      this.#retrieval(),
      h(
        "div",
        { class: "fw-figure" },
        h("div", { class: "fw-caption" }, text.growth),
        places[0],
        h("div", { class: "fw-caption" }, text.memory),
        places[1],
      ),
      h("p", { class: "fw-source" }, text.machine),
    );
  }

  /** Keys and values against a state that does not grow. */
  #rival(): HTMLElement {
    const text = this.#text;
    const ways = ["none", ...RIVALS] as const;
    const rival = choice(
      text.rival,
      ways.map((name) => text.rivals[name]),
      (i) => this.#set({ rival: ways[i] }),
    );
    const line = h("p", { class: "fw-story" });
    this.#on("cost", (state) => {
      const found = bill(state).rival;
      rival.set(ways.indexOf(state.rival));
      line.hidden = !found;
      if (!found) return;
      const from =
        found.from === undefined ? text.noCrossing : text.crossing(found.from.toLocaleString("en"));
      setText(
        line,
        text.compared(
          text.rivals[state.rival],
          bytes(found.state),
          from,
          seconds(found.prefill),
          seconds(found.decode),
        ),
      );
      for (const [name, value] of Object.entries({
        state: found.state,
        from: found.from ?? "",
        prefill: found.prefill,
        decode: found.decode,
      }))
        line.setAttribute(`data-${name}`, String(value));
    });
    return h(
      "div",
      { class: "fw-retrieval" },
      h("div", { class: "fw-row fw-controls" }, rival.element),
      line,
    );
  }

  /** Retrieval against reading everything: how long a text may be for the same money, and who is right more often. */
  #retrieval(): HTMLElement {
    const text = this.#text;
    const chunk = range(text.chunk, { min: 32, max: 1024, step: 32 }, (value) => this.#set({ chunk: value }));
    const passages = range(text.passages, { min: 1, max: 50, step: 1 }, (value) =>
      this.#set({ passages: value }),
    );
    const found = range(text.found, { min: 0, max: 1, step: 0.05 }, (value) => this.#set({ found: value }));
    const budget = range(text.budget, { min: 0, max: 20, step: 1 }, (i) =>
      this.#set({ budget: 2 ** (i / 2) }),
    );
    const line = h("p", { class: "fw-story" });
    this.#on("cost", (state) => {
      const { retrieval } = state;
      chunk.set(retrieval.chunk, String(retrieval.chunk));
      passages.set(retrieval.passages, String(retrieval.passages));
      found.set(retrieval.found, percent(retrieval.found));
      budget.set(Math.round(2 * Math.log2(state.budget)), `${Number(state.budget.toPrecision(3))}×`);
      const longest = breakEven(bill(state).model, atFullSize(state), retrieval, state.budget, MACHINE);
      line.replaceChildren(
        ...text
          .retrieved(read(retrieval), percent(right(retrieval)), Number(state.budget.toPrecision(3)))
          .flatMap((words, i) =>
            i
              ? [h("data", { value: longest, "data-name": "break-even" }, contextOf(longest)), words]
              : [words],
          ),
      );
    });
    return h(
      "div",
      { class: "fw-retrieval" },
      h("div", { class: "fw-caption" }, text.retrieval),
      h(
        "div",
        { class: "fw-row fw-controls" },
        chunk.element,
        passages.element,
        found.element,
        budget.element,
      ),
      line,
    );
  }

  // ---- tables and files --------------------------------------------------------------------------------

  #tableData(state: State): TableData[] {
    const { tables, methods, kinds, curves } = this.#text;
    const text = this.#text;
    switch (state.topic) {
      case "mask": {
        const n = state.tokens;
        return [
          {
            caption: `${tables.mask} · ${kinds[state.pattern.kind]}`,
            columns: tables.maskColumns,
            rows: Array.from({ length: n }, (_, token) => [
              token,
              state.mask.subarray(token * n, (token + 1) * n).reduce((a, b) => a + b, 0),
              state.seenAfter[token] < 0 ? tables.never : state.seenAfter[token],
            ]),
          },
        ];
      }
      case "position": {
        const { rotary } = state;
        const now = frequencies(rotary);
        const before = frequencies({ ...rotary, method: "default", factor: 1 });
        const around = turns(now, rotary.trained);
        const windows = alibiWindow(alibiSlopes(this.#data.heads), 5);
        return [
          {
            caption: `${tables.position} · ${methods[rotary.method]}`,
            columns: tables.positionColumns,
            rows: Array.from(now, (speed, i) => [
              i,
              ((2 * Math.PI) / before[i]).toPrecision(4),
              ((2 * Math.PI) / speed).toPrecision(4),
              (before[i] / speed).toFixed(3),
              around[i].toPrecision(3),
            ]),
          },
          {
            caption: tables.methods,
            columns: tables.methodColumns,
            rows: methodRows(rotary).map((row) => [
              methods[row.method],
              row.resolution.toFixed(4),
              row.temperature.toFixed(4),
              row.unfinished,
              row.closest,
            ]),
          },
          {
            caption: tables.alibi,
            columns: tables.alibiColumns,
            rows: Array.from(alibiSlopes(this.#data.heads), (slope, head) => [
              head,
              slope.toPrecision(4),
              windows[head].toPrecision(4),
            ]),
          },
        ];
      }
      case "measured": {
        const rows = (what: "loss" | "recall"): (string | number)[][] =>
          Object.entries(state.data.curves)
            .filter(([, curve]) => curve[what].length)
            .map(([name, curve]) => [
              curves[name] ?? name,
              ...curve[what].map((seeds) => seeds.map((value) => value.toFixed(2)).join(" / ")),
            ]);
        return [
          {
            caption: tables.loss,
            columns: [tables.condition, ...state.data.buckets.map(([from, to]) => tables.until(from, to))],
            rows: rows("loss"),
          },
          {
            caption: tables.recall,
            columns: [tables.condition, ...state.data.distances.map(String)],
            rows: rows("recall"),
          },
        ];
      }
      default:
        return [
          {
            caption: `${tables.cost} · ${state.model} · ${kinds[state.pattern.kind]}`,
            columns: [
              ...tables.costColumns,
              ...(state.rival === "none" ? [] : [tables.rivalColumn(text.rivals[state.rival])]),
            ],
            rows: bill(state).rows.map(({ n, chosen, rival }) => [
              n,
              chosen.cells,
              chosen.attention,
              chosen.others,
              chosen.cache,
              chosen.prefill.toPrecision(4),
              chosen.decode.toPrecision(4),
              chosen.fits ? text.yes : text.no,
              ...(rival ? [rival.state] : []),
            ]),
          },
        ];
    }
  }

  #csv(state: State): string {
    if (state.topic === "measured") {
      const names = state.data.curves;
      const rows = Object.entries(names).flatMap(([name, curve]) => [
        ...curve.loss.flatMap((seeds, i) =>
          seeds.map((value, seed): (string | number)[] => [
            name,
            "loss",
            state.data.buckets[i][0],
            state.data.buckets[i][1],
            seed,
            value,
          ]),
        ),
        ...curve.recall.flatMap((seeds, i) =>
          seeds.map((value, seed): (string | number)[] => [
            name,
            "recall",
            state.data.distances[i],
            state.data.distances[i],
            seed,
            value,
          ]),
        ),
      ]);
      return toCsv(["condition", "measure", "from", "to", "seed", "value"], rows);
    }
    const [first] = this.#tableData(state);
    return toCsv(first.columns, first.rows);
  }

  #file(state: State): Drawing {
    const text = this.#text;
    const width = 728;
    const parts = (): [string, Drawing][] => {
      switch (state.topic) {
        case "mask":
          return [
            [`${text.mask} · ${text.kinds[state.pattern.kind]}`, drawMask(state, width)],
            [text.strip, drawStrip(state, width)],
          ];
        case "position":
          return [
            [text.waves, drawWaves(state, text, width)],
            [text.decay, drawDecay(state, text, width)],
            [text.sharpness, drawSharpness(methodRows(state.rotary), state.rotary.method, text, width)],
            [text.alibi, drawAlibi(state, this.#data.heads, text, width)],
          ];
        case "measured":
          return [
            [`${text.loss} · ${text.groups[state.group]}`, drawLoss(state, text, width)],
            [`${text.recall} · ${text.groups[state.group]}`, drawRecall(state, text, width)],
          ];
        default: {
          const found = bill(state);
          return [
            [text.growth, drawTime(state, text, found, width)],
            [text.memory, drawMemory(state, text, found, width)],
          ];
        }
      }
    };
    return drawAll(`${text.title} · ${text.topics[state.topic]}`, parts(), 760);
  }

  #source(): HTMLElement {
    const known = [this.#data.model, this.#data.alibi].filter(
      (model) => typeof model.parameters === "number",
    );
    const names = known.map((model) =>
      this.#text.sized(String(model.class), `${((model.parameters as number) / 1e6).toFixed(2)} M`),
    );
    const line = h(
      "p",
      { class: "fw-source" },
      names.length ? this.#text.source(names.join(this.#text.and)) : this.#text.ownData,
    );
    this.#on(undefined, (state) => (line.hidden = state.topic === "mask" || state.topic === "cost"));
    return line;
  }
}

const COMPONENT: Component = {
  choices: CHOICES,
  data: DATA_TRAITS,
  build: (model, language, signal) => new View(model, language, signal),
};

const render = (props: RenderProps): (() => void) => mount(COMPONENT, props);

export { defaults };
export default { render };
