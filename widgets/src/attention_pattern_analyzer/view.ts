// AttentionPatternAnalyzer's view: which panels it has, in which order, and what it says of its state.
import type { AnyModel } from "../base/afm";
import { h } from "../base/dom";
import { Figure } from "../base/figure";
import type { Language } from "../base/strings";
import { classifierPart, isClassifier } from "../reader/classifier_panel";
import { sentencePart } from "../reader/sentence_panel";
import { drawFigure } from "./draw";
import { mostSaid } from "./figure";
import { card } from "./panels/card";
import { focus } from "./panels/focus";
import { grid } from "./panels/grid";
import { scatter } from "./panels/scatter";
import { sources } from "./panels/sources";
import { csv, tables } from "./panels/tables";
import { strip } from "./panels/tokens";
import { worth } from "./panels/worth";
import { headOf, readData, typedReading, type Reading, type Typed } from "./reading";
import { readState, type State } from "./state";
import { STRINGS, type AnalyzerStrings } from "./strings";

const DEFINITION = { className: "fw-heads", strings: STRINGS, readData, readState };

/** Traits that show the figure's own data again after a sentence. */
const OWN = ["examples", "data_sha256", "example", "versus", "layer", "head", "token", "off"];

export class AttentionPatternAnalyzer extends Figure<Reading[], State, AnalyzerStrings> {
  constructor(model: AnyModel, language: Language, signal: AbortSignal) {
    super(DEFINITION, model, language, signal);
    const one = focus(this);
    this.assemble(
      this.root,
      ...this.#sentence(),
      sources(this),
      h("div", { class: "fw-figure" }, grid(this, one.preview), one.element),
      strip(this),
      card(this),
      worth(this),
      scatter(this),
      tables(this),
      this.toolbar("attention-heads", {
        draw: () => drawFigure(this.state, this.text, this.root),
        csv: () => csv(this.state.reading),
      }),
      this.source(({ reading }) => this.#origin(reading)),
    );
    // Canvases take their colours from the style sheet, which applies once the figure stands in the page.
    const theme = new MutationObserver(() => this.update());
    theme.observe(this.root, { attributes: true, attributeFilter: ["data-fw-theme"] });
    signal.addEventListener("abort", () => theme.disconnect());
  }

  protected override summary(state: State): string {
    const { reading, layer, head } = state;
    const { text } = this;
    const kind = text.kinds[headOf(reading, layer, head).kind];
    return text.summary(text.headName(layer, head), kind, mostSaid(text, state));
  }

  #sentence(): HTMLElement[] {
    const name = String(this.model.get("live"));
    const traits = (typed: Omit<Typed, "name">): Record<string, unknown> => ({
      data_sha256: "",
      example: 0,
      versus: -1,
      off: false,
      brush: [],
      layer: Math.min(this.state.layer, typed.attentions.length - 1),
      head: Math.min(this.state.head, typed.heads - 1),
      token: typed.tokens.length - 1,
      examples: [typedReading({ ...typed, name })],
    });
    if (isClassifier(name))
      return [
        classifierPart(this, OWN, (pass, tokens, engine) =>
          traits({
            tokens,
            attentions: pass.attentions,
            norms: engine.valueNorms(pass),
            heads: engine.heads,
            causal: false,
            loss: null,
            parameters: engine.parameters,
          }),
        ),
      ];
    return sentencePart(this, OWN, (pass, tokens, engine) =>
      traits({
        tokens,
        attentions: pass.attentions,
        norms: engine.valueNorms(pass),
        heads: engine.config.num_attention_heads,
        causal: true,
        loss: tokens.length > 1 ? engine.loss(pass) : null,
        parameters: engine.parameters,
      }),
    );
  }

  #origin({ name, model, kept }: Reading): string {
    const { text } = this;
    const said = [model.class, model.checkpoint].filter(Boolean).map(String).join(" · ") || name;
    const part = kept < 0.999 ? ` ${text.kept(`${(100 * kept).toFixed(0)}%`)}` : "";
    return text.source(said, Number(model.parameters ?? 0).toLocaleString("en")) + part;
  }
}
