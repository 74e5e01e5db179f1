// ThresholdExplorer's view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { button, choice } from "../base/controls";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import { headline, said, type Headline } from "../base/headline";
import { story } from "../base/story";
import type { Language } from "../base/strings";
import { dataTable } from "../base/table";
import { drawFile } from "./draw";
import { interval, percent, shownLevel } from "./figure";
import { costsFold } from "./panels/costs";
import { curve, drawCurve } from "./panels/curve";
import { labelsFold } from "./panels/labels";
import { strips } from "./panels/strips";
import { groupsFold, kindsFold } from "./panels/subgroups";
import { thousandFold } from "./panels/thousand";
import { CHOSEN, FILTERS, INITIAL, ratesOf, readData, readState, type Data, type State } from "./state";
import { STRINGS, type Strings } from "./strings";
import { csv, tableData } from "./tables";
import { told } from "./told";

/** Milliseconds of rest before a state is announced: a slider is dragged through many. */
const ANNOUNCED = 500;
const DEFINITION = { className: "fw-thresholds", strings: STRINGS, readData, readState, rest: ANNOUNCED };

export class ThresholdExplorer extends Figure<Data, State, Strings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    const { text } = this;
    const picture = strips(this);
    const curves = curve(this);
    const filter = choice(
      text.filter,
      FILTERS.map((name) => text.filters[name]),
      (i) => this.set({ filter: FILTERS[i] }),
    );
    const part = choice(
      text.part,
      CHOSEN.map((name) => text.partChoices[name]),
      (i) => this.set({ part: CHOSEN[i] }),
    );
    this.on((state) => {
      filter.set(FILTERS.indexOf(state.filter));
      part.set(CHOSEN.indexOf(state.part));
    });
    const folds = {
      thousand: thousandFold(this),
      costs: costsFold(this),
      labels: labelsFold(this),
      groups: groupsFold(this),
      kinds: kindsFold(this),
    };
    const heads = { filter: "heads" };
    const guide = story(
      this,
      [
        { set: {}, at: () => picture },
        { set: {}, at: () => curves },
        { set: heads, at: () => picture },
        { set: { ...heads, threshold: 0.2 }, at: () => picture },
        { set: heads, at: () => folds.thousand },
        { set: heads, at: () => folds.costs },
        { set: heads, at: () => folds.groups },
      ].map(({ set, at }, step) => ({
        at,
        set: { ...INITIAL, ...set },
        words: (state: State) => text.stories[step](told(state, text)),
      })),
    );
    const tools = this.toolbar("thresholds", {
      draw: () => drawFile(this.state, text, this.#words(), drawCurve(this.state, text, 320).drawing),
      csv: () => csv(this),
    });
    tools.append(button(text.reset, () => this.set({ ...INITIAL, view: this.model.get("view") })));
    const panels = h(
      "div",
      { class: "fw-figure" },
      h("div", { class: "fw-row fw-what" }, filter.element, part.element),
      h("div", { class: "fw-beside" }, picture, curves),
      ...Object.values(folds),
    );
    this.assemble(
      picture,
      headline(this, (state) => this.#headline(state)),
      h("div", { class: "fw-row" }, guide.toggle),
      guide.panel,
      panels,
      this.#tables(),
      tools,
      this.source(() => text.source(this.data.kinds.length)),
    );
  }

  protected override summary(state: State): string {
    return said(this.#headline(state));
  }

  #headline(state: State): Headline {
    const { text } = this;
    const { note } = text;
    const seen = ratesOf(state, "seen");
    const { harmful, missed, harmless, blocked } = ratesOf(state, state.part);
    const finding = text.finding(
      text.filters[state.filter],
      text.seenClause(seen.missed + seen.blocked, seen.harmful + seen.harmless),
      text.parts[state.part],
      text.partClause(missed, harmful, blocked, harmless),
    );
    const shares = [percent(blocked / harmless), percent(missed / harmful)] as const;
    const with_ = {
      own: () => note.own(interval(blocked, harmless), interval(missed, harmful)),
      unseen: () => note.shared(...shares),
      corpus: () => note.corpus(shares[0], state.filter === "heads"),
    };
    const set = [
      note.at(shownLevel(state.level)),
      state.shifts.some(Boolean) ? note.labels : "",
      state.calibrated ? note.calibrated : "",
    ];
    return { finding, note: set.join("") + with_[state.part]() };
  }

  /** What stands in the file beside the drawings. */
  #words(): Headline & { up: string } {
    const { state, text } = this;
    return { ...this.#headline(state), up: text.curveCaption[state.curve](percent(state.prevalence)) };
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.on((state) => place.replaceChildren(...(state.table ? tableData(this, state).map(dataTable) : [])));
    return place;
  }
}
