// MoERouting's view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { scrollStop } from "../base/width";
import { sentencePart } from "../reader/sentence_panel";
import type { Pass, TinyModel } from "../reader/model";
import { drawFigure } from "./drawings/figure";
import { groupName, saidAssignments } from "./figure";
import { bins, experts, load } from "./panels/experts";
import { folded } from "./panels/folded";
import { parallel } from "./panels/parallel";
import { path } from "./panels/path";
import { router } from "./panels/router";
import { routers } from "./panels/routers";
import { sizesPanel, sizesTitle } from "./panels/sizes";
import { ablation, matrix } from "./panels/specialisation";
import { pipeline, stages } from "./panels/stages";
import { strip } from "./panels/tokens";
import { dropped, metrics } from "./panels/totals";
import { training } from "./panels/training";
import { MoERouting as registered } from "../../frontier_widgets/components.json";
import { readData, readState, type Data, type State } from "./state";
import { STRINGS, type Strings } from "./strings";
import { csv, tables } from "./tables";

const DEFINITION = { className: "fw-moe", strings: STRINGS, readData, readState };

/** Traits that show the figure's own data again after a sentence. */
const OWN = [...registered.data_traits, "data_sha256", "run", "step", "layer", "selected_token"];

/** Trait values that show how a sentence was routed. */
function typedTraits(pass: Pass, tokens: string[], engine: TinyModel): Record<string, unknown> {
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
}

export class MoERouting extends Figure<Data, State, Strings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    // The drawings and the table that have a column for each expert move sideways together.
    const columns = h("div", { class: "fw-columns", role: "group", "aria-label": this.text.expert });
    columns.style.setProperty("--fw-experts", String(this.data.experts));
    const sentence = sentencePart(this, OWN, typedTraits);
    const steps = training(this);
    const upper = [strip(this), stages(this), router(this)];
    columns.append(
      pipeline(this),
      ...path(this),
      experts(this),
      bins(this),
      load(this),
      ...ablation(this),
      ...matrix(this),
    );
    this.assemble(
      columns,
      ...sentence,
      steps,
      h("div", { class: "fw-figure" }, ...upper, columns),
      tables(this),
      metrics(this),
      dropped(this),
      routers(this),
      ...parallel(this),
      folded(this, sizesTitle(language), () => sizesPanel(language)),
      this.toolbar("moe-routing", {
        draw: () => drawFigure(this.state, this.text, (group) => groupName(this, group)),
        csv: () => csv(this),
      }),
      this.source(() => this.#origin()),
    );
    scrollStop(columns, signal);
  }

  protected override summary(state: State): string {
    const { routing, token } = state;
    return this.text.summary(
      this.data.labels[token],
      saidAssignments(state, token, ` (${this.text.tables.dropped})`),
      routing.balanceLoss.toFixed(3),
      `${(100 * routing.dropFraction).toFixed(1)}%`,
    );
  }

  #origin(): string {
    const { model } = this.data;
    const name = String(model.class ?? model.hub_id ?? "");
    if (this.model.get("sentence")) return this.text.typed(name);
    const count =
      typeof model.parameters === "number"
        ? this.text.parameters(`${(model.parameters / 1e6).toFixed(2)} M`)
        : "";
    return name ? this.text.source(name, count) : this.text.ownData;
  }
}
