// The figure in a page of its own for tests, with the checkpoints that it may ask for.
import { expect, vi } from "vitest";
import bertConfig from "../../../src/frontier_lab/checkpoints/classifiers/bert/config.json";
import bertTokenizer from "../../../src/frontier_lab/checkpoints/classifiers/bert/tokenizer.json";
import bertWeights from "../../../src/frontier_lab/checkpoints/classifiers/bert/model.safetensors?inline";
import inductionConfig from "../../../src/frontier_lab/checkpoints/induction/config.json";
import inductionTokenizer from "../../../src/frontier_lab/checkpoints/induction/tokenizer.json";
import inductionWeights from "../../../src/frontier_lab/checkpoints/induction/model.safetensors?inline";
import data from "../../frontier_widgets/data/attention_pattern_analyzer.json";
import widget, { defaults } from "../../src/attention_pattern_analyzer/index";
import { HostModel } from "../../src/host/models";
import { standIns } from "../jsdom";

const base64 = (url: string): string => url.slice(url.indexOf(",") + 1);
export const inPage = (): void => {
  window.frontierStatic = "file:///";
  window.frontierCheckpoints = {
    induction: { config: inductionConfig, tokenizer: inductionTokenizer, weights: base64(inductionWeights) },
    "classifier-bert": { config: bertConfig, tokenizer: bertTokenizer, weights: base64(bertWeights) },
  };
};

/** Type into the figure, and wait until the model has read so many tokens. */
export async function type(el: HTMLElement, text: string, tokens: number): Promise<void> {
  const input = el.querySelector<HTMLInputElement>(".fw-sentence-input")!;
  input.value = text;
  input.dispatchEvent(new Event("input"));
  const chips = (): number => el.querySelectorAll(".fw-tokens [data-token]").length;
  await vi.waitFor(() => expect(chips()).toBe(tokens), { timeout: 20_000 });
}

/** Stand-ins for what jsdom lacks. */
export function prepare(): void {
  standIns();
  HTMLCanvasElement.prototype.getContext = () => null;
}

const mounted: (() => void)[] = [];
/** Takes every figure away, and what it loaded. */
export function leave(): void {
  mounted.splice(0).forEach((end) => end());
  delete window.frontierCheckpoints;
  delete window.frontierStatic;
}

export function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  mounted.push(widget.render({ model, el }));
  return { el, model };
}

export const value = (el: HTMLElement, name: string): number =>
  Number(el.querySelector<HTMLDataElement>(`data[data-name="${name}"]`)?.value);
