// The component's view on its published data, without a browser.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import data from "../../frontier_widgets/data/moe_routing.json";
import { HostModel } from "../../src/host/models";
import widget, { defaults } from "../../src/moe_routing/index";
import { shown } from "../../src/base/text";
import { nearestSnapshot } from "../../src/moe_routing/state";
import { settle, standIns } from "../jsdom";

beforeAll(() => {
  standIns();
});
beforeEach(() => document.documentElement.setAttribute("lang", "en"));

const mounted: (() => void)[] = [];
afterEach(() => mounted.splice(0).forEach((end) => end()));

function mount(props: Record<string, unknown> = {}): { el: HTMLElement; model: HostModel; end: () => void } {
  const model = new HostModel({ ...defaults(data), ...props });
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const end = widget.render({ model, el });
  mounted.push(end);
  return { el, model, end };
}

const value = (el: HTMLElement, name: string): number =>
  Number(el.querySelector<HTMLDataElement>(`data[data-name="${name}"]`)?.value);

describe("MoERouting", () => {
  it("selects a token by click and writes the choice to the model", async () => {
    const { el, model } = mount();
    el.querySelectorAll<HTMLElement>("[role=option][data-token]")[5].click();
    await settle();
    expect(model.get("selected_token")).toBe(5);
    expect(el.querySelector("[data-token='5']")?.getAttribute("aria-selected")).toBe("true");
  });

  it("one expert per token means weight 1 and twice the reach of the loss", async () => {
    const { el, model } = mount();
    model.set("top_k", 1);
    await settle();
    expect(value(el, "weight-0")).toBe(1);
    expect(el.textContent).toContain("up to 8 when collapsed");
  });

  it("shows dropped tokens when the capacity is short, and none without a limit", async () => {
    const { el, model } = mount({ capacity_factor: 0.5 });
    expect(value(el, "dropped")).toBeGreaterThan(0.4);
    expect(el.querySelectorAll(".fw-bins .fw-dropped").length).toBe(Math.round(value(el, "dropped") * 96));
    model.set("capacity_factor", 0);
    await settle();
    expect(value(el, "dropped")).toBe(0);
    expect(el.querySelectorAll(".fw-bins .fw-dropped").length).toBe(0);
  });

  it("sets six routers side by side, and only once they are looked at", async () => {
    const { el, model } = mount({ capacity_factor: 1 });
    const details = el.querySelector<HTMLDetailsElement>(".fw-compare")!;
    const cv = (name: string): string =>
      el.querySelector<HTMLDataElement>(`[data-router="${name}-cv"]`)!.value;
    expect(details.querySelector("table")).toBeNull();
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    expect(details.querySelectorAll("tbody tr")).toHaveLength(6);
    expect(Number(cv("top2"))).toBeCloseTo(value(el, "cv"), 9);
    expect(Number(cv("expert_choice"))).toBe(0);
    const before = cv("top2");
    model.set("layer", 3);
    await settle();
    expect(cv("top2")).not.toBe(before);
  });

  it("draws tokens in the slots that priority gives them", async () => {
    const { el, model } = mount({ capacity_factor: 0.5 });
    const lowest = (): number =>
      Math.max(
        ...[...el.querySelectorAll(".fw-bins .fw-kept")].map((box) =>
          Number(/ ([\d.]+)\)/.exec(box.getAttribute("transform")!)![1]),
        ),
      );
    const before = lowest();
    model.set("priority", true);
    await settle();
    expect(el.querySelector(".fw-figure")?.textContent).toContain("the most probable first");
    expect(lowest()).toBeLessThanOrEqual(before + 1e-9);
  });

  it("shows a token's way through all layers, and goes to the layer that is clicked", async () => {
    const { el, model } = mount({ selected_token: 7 });
    const rows = el.querySelectorAll<SVGElement>(".fw-path [data-layer]");
    expect(rows).toHaveLength(4);
    const said = el.querySelector(".fw-path svg")!.getAttribute("aria-label")!;
    for (let layer = 0; layer < 4; layer++) {
      rows[layer].dispatchEvent(new MouseEvent("click", { bubbles: true }));
      await settle();
      expect(model.get("layer")).toBe(layer);
      const best = el.querySelector(".fw-pipeline tr[data-row=topK] .fw-chosen")!.parentElement!;
      const first = [...best.querySelectorAll("td")].findIndex((cell) => cell.textContent === "#1");
      expect(said).toContain(`layer ${layer} E${first} `);
    }
    expect(value(el, "alike")).toBeGreaterThanOrEqual(1);
  });

  it("tells the held-out loss without an expert, and nothing where that was not measured", async () => {
    const { el, model } = mount({ run: "unbalanced", layer: 0, selected_expert: 2 });
    expect(value(el, "ablation")).toBeGreaterThan(0.5);
    expect(el.textContent).toContain("3,048 held-out tokens");
    model.set("step", 0);
    await settle();
    expect(Math.abs(value(el, "ablation"))).toBeLessThan(0.01);
    const other = mount({ ablation: new DataView(new ArrayBuffer(0)) });
    expect(other.el.textContent).not.toContain("held-out");
  });

  it("says how many bytes of the ablation were wanted", () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { el } = mount({ ablation: new DataView(new ArrayBuffer(8)) });
    expect(el.querySelector("[role=alert]")?.textContent).toContain(
      "ablation has 8 bytes, and the shape of logits needs 2048",
    );
  });

  it("counts parameters of published models, and of those with other experts", () => {
    const { el } = mount();
    const slider = (name: string): HTMLInputElement =>
      [...el.querySelectorAll("label")]
        .find((label) => label.textContent?.startsWith(name))!
        .parentElement!.querySelector("input")!;
    const put = (input: HTMLInputElement, to: string): void => {
      input.value = to;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const details = [...el.querySelectorAll("details")].at(-1)!;
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    expect([value(el, "sizes-total"), value(el, "sizes-active")]).toEqual([46702792704, 12879925248]);
    put(slider("Taken by a token"), "1");
    expect(value(el, "sizes-active")).toBe(12879925248 - 32 * 176160768);
    const before = value(el, "sizes-sets");
    put(slider("Each split"), "3");
    expect(value(el, "sizes-sets")).toBeGreaterThan(before + 5);
    put(slider("Taken by a token"), "8");
    put(slider("Experts of a layer"), "0"); // two experts: nobody can take eight of them
    expect(slider("Taken by a token").value).toBe("2");
    expect(value(el, "sizes-total")).toBe(value(el, "sizes-active"));
  });

  it("has a table with every assignment, in place of the drawings", async () => {
    const { el, model } = mount();
    model.set("view", "table");
    await settle();
    expect(el.querySelectorAll(".fw-tables table")).toHaveLength(5);
    expect(
      el.querySelectorAll(".fw-tables table:nth-of-type(1)")[4].querySelectorAll("tbody tr"),
    ).toHaveLength(96);
  });

  it("changes its language with the trait and with the page", async () => {
    const { el, model } = mount();
    expect(el.textContent).toContain("Training step");
    model.set("language", "zh");
    await settle();
    expect(el.textContent).toContain("训练步数");
  });

  it("keeps values out of range out of the figure", () => {
    const { el } = mount({
      layer: 99,
      top_k: 99,
      selected_token: -3,
      temperature: Number.NaN,
      step: 10 ** 9,
    });
    expect(el.querySelector("[role=alert]")).toBeNull();
    expect(value(el, "balance")).toBeCloseTo(1, 6);
  });

  it("says which trait does not fit", () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { el } = mount({ tokens: ["one"] });
    expect(el.querySelector("[role=alert]")?.textContent).toContain(
      "tokens has 1 entries, and logits has 48 tokens",
    );
    expect(log).toHaveBeenCalled();
  });

  it("treats tokens as text", () => {
    const tokens = [...(defaults(data).tokens as string[])];
    tokens[0] = "<img src=x onerror=alert(1)>";
    const { el } = mount({ tokens });
    expect(el.querySelector("img")).toBeNull();
    expect(el.textContent).toContain("<img");
  });

  it("draws after many changes what it draws at once", async () => {
    const { el, model } = mount();
    const steps = [...new Set(data.snapshots.map((frame) => frame.step))];
    const drawings = (of: HTMLElement): Element[] => [...of.querySelectorAll("svg")];
    for (let i = 0; i < 10; i++) {
      const props = {
        run: i % 5 === 0 ? "unbalanced" : "balanced",
        step: steps[(i * 3) % steps.length],
        top_k: 1 + (i % 4),
        capacity_factor: [0, 1, 0.5, 2][(i >> 1) % 4],
        temperature: 0.5 + (i % 3),
        selected_token: i,
        selected_expert: (i % 9) - 1,
      };
      for (const [name, wanted] of Object.entries(props)) model.set(name, wanted);
      await settle();
      const fresh = document.createElement("div");
      mounted.push(widget.render({ model: new HostModel({ ...defaults(data), ...props }), el: fresh }));
      expect(drawings(el).length).toBeGreaterThan(2);
      drawings(fresh).forEach((drawing, j) =>
        expect(drawings(el)[j].isEqualNode(drawing), `${JSON.stringify(props)}, drawing ${j}`).toBe(true),
      );
    }
  }, 30_000);

  it("leaves nothing behind", async () => {
    const { el, model, end } = mount();
    end();
    model.set("top_k", 4);
    await settle();
    expect(el.childElementCount).toBe(0);
  });

  it("shows blanks and line ends, and takes the nearest snapshot of the run", () => {
    expect([shown("▁the"), shown("▁"), shown("\n"), shown("")]).toEqual(["the", "␣", "↵", "∅"]);
    const frames = [
      { run: "a", step: 0 },
      { run: "a", step: 100 },
      { run: "b", step: 0 },
    ];
    expect([
      nearestSnapshot(frames, "a", 50),
      nearestSnapshot(frames, "a", 60),
      nearestSnapshot(frames, "b", 99),
    ]).toEqual([0, 1, 2]);
  });
});
