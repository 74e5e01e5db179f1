// LongContextStrategies' view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { choice } from "../base/controls";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { dataTable } from "../base/table";
import { takeAddress } from "./address";
import { bill } from "./bill";
import { file } from "./drawings/file";
import { visibleCells } from "./figure";
import { methodRows } from "./methods";
import { cost } from "./panels/cost";
import { mask } from "./panels/mask";
import { headline, measured } from "./panels/measured";
import { position } from "./panels/position";
import { question } from "./panels/question";
import { shareButtons } from "./panels/share";
import { tour } from "./panels/tour";
import { readData, readState, TOPICS, type Data, type State } from "./state";
import { STRINGS, type LongContextStrings } from "./strings";
import { csv, tableData } from "./tables";
import { bytes, contextOf, percent, seconds } from "./units";

const DEFINITION = { className: "fw-long", strings: STRINGS, readData, readState };

export class LongContextStrategies extends Figure<Data, State, LongContextStrings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    this.on(({ topic }) => (this.root.dataset.topic = topic));
    const guide = tour(this);
    const panels = h("div", { class: "fw-panels" }, mask(this), position(this), measured(this), cost(this));
    const tools = this.toolbar("long-context", {
      draw: () => file(this, this.state),
      csv: () => csv(this, this.state),
    });
    tools.append(...shareButtons(this));
    this.assemble(
      panels,
      h("div", { class: "fw-row fw-controls" }, this.#topics(), guide.toggle),
      guide.panel,
      panels,
      this.#tables(),
      question(this),
      tools,
      this.source(({ topic }) => (topic === "mask" || topic === "cost" ? "" : this.#origin())),
    );
    takeAddress(this.root, model, signal);
  }

  protected override summary(state: State): string {
    const { summary, kinds, methods, layerCount } = this.text;
    switch (state.topic) {
      case "mask":
        return summary.mask(
          kinds[state.pattern.kind],
          percent(visibleCells(state) / state.tokens ** 2),
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
        return Object.values(headline(state, this.text)).join(" ");
      default: {
        const { now } = bill(state);
        return summary.cost(contextOf(state.length), bytes(now.cache), seconds(now.prefill));
      }
    }
  }

  #topics(): HTMLElement {
    const { topic: label, topics } = this.text;
    const topic = choice(
      label,
      TOPICS.map((name) => topics[name]),
      (i) => this.set({ topic: TOPICS[i] }),
    );
    this.on((state) => topic.set(TOPICS.indexOf(state.topic)));
    return topic.element;
  }

  #tables(): HTMLElement {
    const place = h("div", { class: "fw-tables" });
    this.on((state) => place.replaceChildren(...(state.table ? tableData(this, state).map(dataTable) : [])));
    return place;
  }

  #origin(): string {
    const { text, data } = this;
    const names = [data.model, data.alibi].flatMap(({ parameters, class: name }) =>
      typeof parameters === "number" ? [text.sized(String(name), `${(parameters / 1e6).toFixed(2)} M`)] : [],
    );
    return names.length ? text.source(names.join(text.and)) : text.ownData;
  }
}
