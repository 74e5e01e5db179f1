// Native inputs with labels; native because they bring keyboard, focus and screen-reader behaviour with them.
import { h, setAttribute, setText, uniqueId } from "./dom";

export interface Range {
  element: HTMLElement;
  set(value: number, text: string, max?: number): void;
}

export function range(
  label: string,
  bounds: { min: number; max: number; step: number },
  changed: (value: number) => void,
): Range {
  const id = uniqueId("range");
  const input = h("input", { id, type: "range", ...bounds });
  const output = h("output", { for: id });
  input.addEventListener("input", () => changed(input.valueAsNumber));
  return {
    element: h("div", { class: "fw-control" }, h("label", { for: id }, label), input, output),
    set: (value, text, max) => {
      if (max !== undefined) setAttribute(input, "max", String(max));
      if (input.value !== String(value)) input.value = String(value);
      setAttribute(input, "aria-valuetext", text);
      setText(output, text);
    },
  };
}

export interface Choice {
  element: HTMLFieldSetElement;
  set(index: number): void;
}

/** A segmented control: one radio for each option. */
export function choice(label: string, options: string[], changed: (index: number) => void): Choice {
  const name = uniqueId("choice");
  const inputs = options.map((_, index) => {
    const input = h("input", { type: "radio", name, value: index });
    input.addEventListener("change", () => changed(index));
    return input;
  });
  const element = h(
    "fieldset",
    { class: "fw-choice" },
    h("legend", {}, label),
    h(
      "div",
      { class: "fw-segments" },
      ...inputs.map((input, i) => h("label", {}, input, h("span", {}, options[i]))),
    ),
  );
  return {
    element,
    set: (index) =>
      inputs.forEach((input, i) => {
        if (input.checked !== (i === index)) input.checked = i === index;
      }),
  };
}

export interface Check {
  element: HTMLElement;
  set(on: boolean): void;
}

export function check(label: string, changed: (on: boolean) => void): Check {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => changed(input.checked));
  return {
    element: h("label", { class: "fw-control fw-check" }, input, h("span", {}, label)),
    set: (on) => (input.checked = on),
  };
}

export function button(text: string, pressed: () => void, label?: string): HTMLButtonElement {
  const element = h("button", { type: "button", class: "fw-button", "aria-label": label }, text);
  element.addEventListener("click", pressed);
  return element;
}

export interface TextField {
  id: string;
  class: string;
  hint: string;
  /** Characters at most. */
  maxlength: number;
  /** The trait, by which what is typed outlives a redraw. */
  keep: string;
}

/** One line to type in. */
export function textField(field: TextField, signal: AbortSignal): HTMLInputElement {
  const input = h("input", {
    id: field.id,
    type: "text",
    class: `fw-text-field ${field.class}`,
    placeholder: field.hint,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: field.maxlength,
    "data-keep": field.keep,
    "data-lm-suppress-shortcuts": "true",
  });
  // A notebook would take the letters for its own shortcuts.
  input.addEventListener("keydown", (event) => event.key !== "Escape" && event.stopPropagation(), { signal });
  return input;
}

export interface Select {
  element: HTMLElement;
  set(index: number): void;
}

/** A drop-down list, for more options than a segmented control can hold. */
export function select(label: string, options: string[], changed: (index: number) => void): Select {
  const id = uniqueId("select");
  const list = h(
    "select",
    { id, class: "fw-select" },
    ...options.map((option, i) => h("option", { value: i }, option)),
  );
  list.addEventListener("change", () => changed(list.selectedIndex));
  return {
    element: h("div", { class: "fw-control" }, h("label", { for: id }, label), list),
    set: (index) => {
      if (list.selectedIndex !== index) list.selectedIndex = index;
    },
  };
}
