// AttackPlayground's view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { button } from "../base/controls";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import { headline, said, type Headline } from "../base/headline";
import { story } from "../base/story";
import type { Language } from "../base/strings";
import { dataTable } from "../base/table";
import { drawFile } from "./draw";
import { bothSeen, classAt, general, nameOf } from "./figure";
import { cards, charts, controls } from "./panels/attacks";
import { certificates, everySentence, importance, rules } from "./panels/folds";
import { menu, reading, strip, textRow } from "./panels/verse";
import { INITIAL, readData, readState, type Data, type State } from "./state";
import { STRINGS, type Strings } from "./strings/index";
import { csv, tableData } from "./tables";
import { work } from "./work";

/** Milliseconds of rest before a state is announced: a slider is dragged through many. */
const ANNOUNCED = 500;
const DEFINITION = { className: "fw-attack", strings: STRINGS, readData, readState, rest: ANNOUNCED };

export class AttackPlayground extends Figure<Data, State, Strings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    const { text, data } = this;
    const words = strip(this);
    const swaps = menu(this);
    const says = reading(this);
    const pictures = charts(this);
    const held = cards(this);
    const all = everySentence(this);
    const first = { ...INITIAL, view: "figure" };
    const guide = story(
      this,
      [
        { set: { queries: 0 }, at: () => says },
        { set: { queries: 0 }, at: () => words },
        { set: { queries: 9 }, at: () => held.children[1] },
        { set: { queries: 11 }, at: () => held.children[0] },
        { set: { queries: 10 }, at: () => all },
        { set: {}, at: () => pictures.bound },
        { set: { word: 10 }, at: () => swaps },
      ].map(({ set, at }, step) => ({ at, set: { ...first, ...set }, words: () => text.stories[step] })),
    );
    const tools = this.toolbar("attack", {
      draw: () => drawFile(this, this.state, this.#headline(this.state).finding),
      csv: () => csv(this),
    });
    tools.append(button(text.reset, () => this.set({ ...INITIAL, view: this.model.get("view") })));
    const status = this.source(({ status: now, cut }) => now || (cut ? text.cut(cut) : ""));
    status.setAttribute("role", "status");
    const panels = h(
      "div",
      { class: "fw-figure" },
      textRow(this),
      h("div", { class: "fw-beside" }, h("div", { class: "fw-own" }, words, swaps), says),
      controls(this),
      pictures.element,
      held,
      status,
      all,
      importance(this),
      rules(this),
      certificates(this),
    );
    this.assemble(
      panels,
      headline(this, (state) => this.#headline(state)),
      h("div", { class: "fw-row" }, guide.toggle),
      guide.panel,
      panels,
      this.#tables(),
      tools,
      this.source(() => text.source(data.curves.sentences, data.curves.chapters)),
    );
    work(this);
  }

  protected override summary(state: State): string {
    return said(this.#headline(state));
  }

  #headline(state: State): Headline {
    return { finding: this.#finding(state), note: general(this, state) };
  }

  #finding(state: State): string {
    const { finding } = this.text;
    const { race, of, queries } = state;
    const both = bothSeen(state);
    if (!race || !both || !of) return finding.waiting;
    const name = nameOf(this, race.label);
    if (!of.options.size) return finding.nothing(name);
    if (!queries) return finding.start(name);
    const { greedy, random } = both;
    if (!greedy.won && !random.won) return finding.none(name, greedy.used, greedy.over, random.used);
    const names = { greedy: this.text.greedy, random: this.text.random };
    const sooner = !random.won || (greedy.won && greedy.won < random.won) ? "greedy" : "random";
    const [one, other] = sooner === "greedy" ? [greedy, random] : [random, greedy];
    const later = sooner === "greedy" ? names.random : names.greedy;
    const turned = finding.turned(name, classAt(this, state, one.swaps), one.swaps.size);
    if (!other.won) return turned + finding.one(names[sooner], one.won, later, other.used, other.over);
    if (one.won === other.won) return turned + finding.same(one.won);
    return turned + finding.both(names[sooner], one.won, later, other.won);
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.on((state) => place.replaceChildren(...(state.table ? tableData(this, state).map(dataTable) : [])));
    return place;
  }
}
