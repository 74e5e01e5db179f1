// What every figure is: a root whose parts follow one state, which is read from the model's traits.
import type { AnyModel } from "./afm";
import { h, setText } from "./dom";
import { liveSummary, type LiveSummary } from "./messages";
import type { Mounted } from "./mount";
import type { Drawing } from "./shapes";
import type { Language } from "./strings";
import { setTraits } from "./traits";
import { toolbar } from "./toolbar";
import { followWidth } from "./width";

export interface Definition<Data, State, Text> {
  /** Class of the root, beside `fw-root`. */
  className: string;
  strings: Record<Language, Text>;
  /** Checks the data once; throws what the reader is told instead of the figure. */
  readData(model: AnyModel, text: Text): Data;
  /** Keeps the reader's choices within what the data has. */
  readState(model: AnyModel, data: Data): State;
  /** Milliseconds without a change before the state is announced; at once where it is not said. */
  rest?: number;
}

export abstract class Figure<
  Data,
  State extends { table: boolean },
  Text extends { title: string; tableView: string },
> implements Mounted
{
  readonly root: HTMLElement;
  readonly text: Text;
  readonly data: Data;
  readonly live: LiveSummary;
  readonly #read: () => State;
  #state: State;
  #parts: ((state: State) => void)[] = [];
  #width = 0;
  #assembled = false;

  constructor(
    definition: Definition<Data, State, Text>,
    readonly model: AnyModel,
    readonly language: Language,
    readonly signal: AbortSignal,
  ) {
    this.text = definition.strings[language];
    this.live = liveSummary(definition.rest);
    this.root = h("div", {
      class: `fw-root ${definition.className}`,
      role: "group",
      "aria-label": this.text.title,
      lang: language === "zh" ? "zh-CN" : "en",
    });
    this.data = definition.readData(model, this.text);
    this.#read = () => definition.readState(model, this.data);
    this.#state = this.#read();
  }

  /** The state in one sentence, for those who hear the figure. */
  protected abstract summary(state: State): string;

  get state(): State {
    return this.#state;
  }

  /** Pixels across the place of the drawings; 0 until it is laid out. */
  get width(): number {
    return this.#width;
  }

  /** Bring a part to the state, now if the figure stands already, and whenever the state changes. */
  on(part: (state: State) => void): void {
    this.#parts.push(part);
    if (this.#assembled) part(this.#state);
  }

  /** Write the reader's choices; the model calls back with the change. */
  set(values: Record<string, unknown>): void {
    setTraits(this.model, values);
  }

  /** Put the parts together; drawings have the width of `place`. The last call of a constructor. */
  protected assemble(place: Element, ...parts: (Element | string)[]): void {
    this.root.append(...parts, this.live.element);
    this.#show();
    this.#assembled = true;
    followWidth(
      place,
      (width) => {
        this.#width = width;
        this.update();
      },
      this.signal,
    );
  }

  update(): void {
    this.#state = this.#read();
    this.#show();
    this.live.say(this.summary(this.#state));
  }

  #show(): void {
    this.root.dataset.view = this.#state.table ? "table" : "figure";
    for (const part of this.#parts) part(this.#state);
  }

  /** The row with the table view and the downloads, `name` being that of the files. */
  toolbar(name: string, files: { draw(): Drawing; csv(): string }): HTMLElement {
    const row = toolbar({
      ...files,
      name,
      language: this.language,
      root: this.root,
      live: this.live,
      tableView: this.text.tableView,
      toggleTable: () => this.set({ view: this.#state.table ? "figure" : "table" }),
    });
    this.on((state) => row.set(state.table));
    return row.element;
  }

  /** Where the numbers come from; the line is hidden while there is nothing to say. */
  source(words: (state: State) => string): HTMLElement {
    const line = h("p", { class: "fw-source" });
    this.on((state) => {
      setText(line, words(state));
      line.hidden = !line.textContent;
    });
    return line;
  }
}

/** A number for reading, with the exact one beside it for machines. */
export function number(value: number, digits: number, name?: string): HTMLDataElement {
  return h("data", { value: String(value), "data-name": name }, value.toFixed(digits));
}
