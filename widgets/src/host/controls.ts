// The few stock ipywidgets that a page needs around a figure.
// Their values move in the page; Python callbacks cannot.
import { h, setText, uniqueId } from "../base/dom";
import type { HostModel } from "./models";

type Control = (model: HostModel, el: HTMLElement) => void;

const text = (model: HostModel, name: string): string => String(model.get(name) ?? "");

/** `update` now and whenever one of `names` changes. */
function bind(model: HostModel, names: string[], update: () => void): void {
  for (const name of names) model.on(`change:${name}`, update);
  update();
}

function labelled(model: HostModel, input: HTMLElement, ...rest: HTMLElement[]): HTMLElement {
  input.id = uniqueId("control");
  const label = h("label", { for: input.id });
  bind(model, ["description"], () => {
    setText(label, text(model, "description"));
    if (text(model, "description")) input.removeAttribute("aria-label");
    else input.setAttribute("aria-label", input.tagName === "SELECT" ? "选项 options" : "数值 value");
  });
  return h("div", { class: "fwh-control" }, label, input, ...rest);
}

function slider(model: HostModel, el: HTMLElement): void {
  const input = h("input", { type: "range" });
  const output = h("output");
  const digits = /\.(\d+)f/.exec(text(model, "readout_format"))?.[1];
  bind(model, ["min", "max", "step", "value", "disabled"], () => {
    input.min = text(model, "min");
    input.max = text(model, "max");
    input.step = text(model, "step");
    input.value = text(model, "value");
    input.disabled = Boolean(model.get("disabled"));
    setText(output, digits ? Number(model.get("value")).toFixed(Number(digits)) : text(model, "value"));
  });
  input.addEventListener("input", () => model.set("value", input.valueAsNumber));
  el.append(labelled(model, input, ...(model.get("readout") === false ? [] : [output])));
}

function checkbox(model: HostModel, el: HTMLElement): void {
  const input = h("input", { type: "checkbox" });
  bind(model, ["value", "disabled"], () => {
    input.checked = Boolean(model.get("value"));
    input.disabled = Boolean(model.get("disabled"));
  });
  input.addEventListener("change", () => model.set("value", input.checked));
  el.append(labelled(model, input));
}

function dropdown(model: HostModel, el: HTMLElement): void {
  const select = h("select");
  bind(model, ["_options_labels", "index", "disabled"], () => {
    select.replaceChildren(
      ...(model.get("_options_labels") as string[]).map((label) => h("option", {}, label)),
    );
    select.selectedIndex = (model.get("index") as number | null) ?? -1;
    select.disabled = Boolean(model.get("disabled"));
  });
  select.addEventListener("change", () => model.set("index", select.selectedIndex));
  el.append(labelled(model, select));
}

function toggleButtons(model: HostModel, el: HTMLElement): void {
  const name = uniqueId("options");
  const legend = h("legend");
  const box = h("fieldset", { class: "fwh-toggle" }, legend);
  bind(model, ["_options_labels", "description", "index"], () => {
    setText(legend, text(model, "description"));
    const labels = model.get("_options_labels") as string[];
    if (box.querySelectorAll("input").length !== labels.length) {
      box.replaceChildren(
        legend,
        ...labels.map((label, i) => {
          const input = h("input", { type: "radio", name });
          input.addEventListener("change", () => model.set("index", i));
          return h("label", {}, input, label);
        }),
      );
    }
    box.querySelectorAll("input").forEach((input, i) => (input.checked = i === model.get("index")));
  });
  el.append(box);
}

/** HTML widgets are shown as their text: markup from a saved state is never run. */
function plainText(model: HostModel, el: HTMLElement): void {
  const isHtml = model.get("_model_name") === "HTMLModel" || model.get("_view_name") === "HTMLView";
  const place = h("div", { class: "fwh-text" });
  bind(model, ["value"], () => {
    const value = text(model, "value");
    setText(
      place,
      isHtml ? (new DOMParser().parseFromString(value, "text/html").body.textContent ?? "") : value,
    );
  });
  el.append(place);
}

export const CONTROLS: Record<string, Control> = {
  IntSliderModel: slider,
  FloatSliderModel: slider,
  CheckboxModel: checkbox,
  DropdownModel: dropdown,
  ToggleButtonsModel: toggleButtons,
  LabelModel: plainText,
  HTMLModel: plainText,
};

export const BOXES: Record<string, string> = {
  BoxModel: "fwh-hbox",
  HBoxModel: "fwh-hbox",
  VBoxModel: "fwh-vbox",
};
