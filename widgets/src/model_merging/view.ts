// ModelMerging's view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { button } from "../base/controls";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import { headline, said, type Headline } from "../base/headline";
import { story } from "../base/story";
import type { Language } from "../base/strings";
import { dataTable } from "../base/table";
import { drawFile } from "./draw";
import { asking, counted, found, shownWeight } from "./figure";
import { sum } from "./landscape";
import { bars } from "./panels/bars";
import { line } from "./panels/line";
import { planePanel } from "./panels/plane";
import { promptPanel } from "./panels/prompt";
import { rules } from "./panels/rules";
import { experts, weightSliders } from "./panels/weights";
import { outcome } from "./rules";
import { INITIAL, readData, readState, type Data, type State } from "./state";
import { STRINGS, type Strings } from "./strings";
import { csv, tableData } from "./tables";
import { work } from "./work";

/** Milliseconds of rest before a state is announced: a slider is dragged through many. */
const ANNOUNCED = 500;
const DEFINITION = { className: "fw-merging", strings: STRINGS, readData, readState, rest: ANNOUNCED };

export class ModelMerging extends Figure<Data, State, Strings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    const { text, data } = this;
    const plane = planePanel(this);
    const answers = bars(this);
    const sliders = weightSliders(this);
    const trained = experts(this);
    const prompt = promptPanel(this);
    const last = data.trained[1];
    const guide = story(
      this,
      [
        { set: { weights: [0, 0, 0] }, at: () => answers },
        { set: { weights: [1, 0, 0] }, at: () => plane },
        { set: { weights: [0.75, 0.75, 0.75] }, at: () => sliders },
        { set: { weights: [0.75, 0.75, 0.75], rule: "average" }, at: () => plane },
        { set: { weights: [1, 1, 1], steps: last }, at: () => trained },
        { set: { weights: [1, 1, 1], steps: last, embedding: false }, at: () => trained },
        { set: { weights: [0.75, 0.75, 0.75] }, at: () => prompt },
      ].map(({ set, at }, step) => ({
        at,
        set: { ...INITIAL, prompt: this.state.prompt, ...set },
        words: (state: State) => text.stories[step] + this.#result(state),
      })),
    );
    const tools = this.toolbar("model-merging", {
      draw: () => drawFile(this.state, text, this.#headline(this.state).finding, this.#rows()),
      csv: () => csv(this),
    });
    tools.append(button(text.reset, () => this.set({ ...INITIAL, view: this.model.get("view") })));
    const panels = h(
      "div",
      { class: "fw-figure" },
      h("div", { class: "fw-beside" }, plane, h("div", { class: "fw-side" }, answers, sliders, trained)),
      prompt,
      rules(this),
      line(this),
    );
    this.assemble(
      plane,
      headline(this, (state) => this.#headline(state)),
      h("div", { class: "fw-row" }, guide.toggle),
      guide.panel,
      panels,
      this.#tables(),
      tools,
      this.source(() => this.#origin()),
    );
    work(this);
  }

  protected override summary(state: State): string {
    return said(this.#headline(state));
  }

  #headline(state: State): Headline {
    const { finding, note, did, alone, tasks } = this.text;
    const { how, data } = state;
    const now = found(state);
    if (!now || !state.scores) return { finding: finding.unknown, note: "" };
    const exact = state.scores.kind === "exact";
    const right = counted(this, sum(state.scores.right), exact);
    const notes = `${note.base(now.base)}${exact ? note.exact : note.estimate}`;
    const is = outcome(how);
    if (is.kind === "base") return { finding: finding.base(right, now.of), note: notes };
    if (is.kind === "several") {
      const say = now.right > now.best ? finding.best : finding.worse;
      const minus = how.weights.some((weight) => weight < 0);
      return { finding: say(did(how.rule, is.count, minus), right, now.of, now.best), note: notes };
    }
    const task = tasks[data.tasks[is.task]];
    if (is.kind === "expert") return { finding: finding.expert(task, right, now.of), note: notes };
    const part = alone(how.rule, shownWeight(is.factor), how.embedding);
    return { finding: finding.one(task, part, right, now.of), note: notes };
  }

  #result({ scores, data }: State): string {
    if (!scores) return "";
    return this.text.result(counted(this, sum(scores.right), scores.kind === "exact"), asking(data));
  }

  #rows(): string[] {
    const { state, text, data } = this;
    return data.tasks.map((task, at) => {
      const right = state.scores ? Math.round(state.scores.right[at]) : text.waiting;
      return `${text.tasks[task]} ${right} / ${data.asked[at]}`;
    });
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.on((state) => place.replaceChildren(...(state.table ? tableData(this, state).map(dataTable) : [])));
    return place;
  }

  #origin(): string {
    const { class: name, parameters } = this.data.facts;
    return this.text.source(String(name), Number(parameters).toLocaleString("en"), asking(this.data));
  }
}
