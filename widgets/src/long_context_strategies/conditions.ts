// Measured conditions: which are drawn together, which of them the headline compares, and their names.
import type { Data } from "./state";
import type { LongContextStrings } from "./strings";

export const GROUPS = ["untuned", "yarn", "ntk", "linear", "pairs", "dropped", "tuned", "alibi"] as const;
export type Group = (typeof GROUPS)[number];

/** A method and its stretch, as in `yarn_s8`, and what was done after it, as in `yarn_s8_tuned`. */
const STRETCHED = /^(.+)_s(\d+)((?:_at_\d+)?_tuned)?$/;
const PARTS = new Set(["slow_unfinished", "slow_finished", "temperature"]);
const WITHOUT = new Set(["proportional", "dropped", "never"]);

/** The groups of a condition by its name; what nobody has heard of stands with the untuned ones. */
export function inGroup(name: string, group: Group, factor: number): boolean {
  const [, method, s, after] = STRETCHED.exec(name) ?? [];
  const found = new Set<Group>();
  if (name.startsWith("alibi")) found.add("alibi");
  else if (WITHOUT.has(name.replace(/_tuned$/, "")) || after?.startsWith("_at_")) found.add("dropped");
  else if (name.endsWith("_tuned")) found.add("tuned");
  else if (PARTS.has(method) || name === "longrope") found.add("pairs");
  else if (method === "yarn" || method === "ntk" || method === "linear") {
    found.add(method);
    if (Number(s) === factor || (method === "yarn" && Number(s) === factor / 2)) found.add("untuned");
  } else if (name === "dynamic_ntk") found.add("ntk");
  else found.add("untuned");
  if (name === "base" && group !== "alibi" && group !== "tuned") found.add(group);
  return found.has(group);
}

/** What the headline compares, in this order. */
function wanted(group: Group, factor: number): string[] {
  const scales = [factor / 2, factor, 2 * factor];
  switch (group) {
    case "untuned":
      return ["base", `yarn_s${factor / 2}`, `yarn_s${factor}`];
    case "pairs":
      return ["base", `slow_finished_s${factor}`, `slow_unfinished_s${factor}`];
    case "dropped":
      return ["base", "dropped", "dropped_tuned"];
    case "tuned":
      return ["plain_tuned", `yarn_s${factor / 2}_tuned`, `yarn_s${factor}_tuned`];
    case "alibi":
      return ["alibi", "alibi_window_32", "alibi_slopes_4"];
    default:
      return scales.map((s) => `${group}_s${s}`);
  }
}

export const conditions = (data: Data, group: Group): string[] =>
  Object.keys(data.curves).filter((name) => inGroup(name, group, data.factor));

/** Up to three conditions of the group, in the headline's order; the reader's own ones in theirs. */
export function leads(data: Data, group: Group): string[] {
  const shown = conditions(data, group);
  const found = wanted(group, data.factor).filter((name) => shown.includes(name));
  return found.length > 1 ? found : shown.slice(0, 3);
}

/** The same with the one that is drawn as the finding at the end: the stretch that fits, if it is there. */
export function drawnLeads(data: Data, group: Group): string[] {
  const found = leads(data, group);
  const fits = `${group}_s${data.factor}`;
  return found.includes(fits) ? [...found.filter((name) => name !== fits), fits] : found;
}

/** A condition in words; what stretches says by how much. */
export function conditionName(name: string, text: LongContextStrings): string {
  if (text.curves[name]) return text.curves[name];
  const [, method, s, after] = STRETCHED.exec(name) ?? [];
  const known = text.stretched[method];
  return known ? text.stretchedBy(known, Number(s), after ? text.after[after] : "") : name;
}

export const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** What the headline compares farthest away and in the last positions, as means over the seeds. */
export function compared(
  data: Data,
  group: Group,
  what: "loss" | "recall",
): { name: string; value: number }[] {
  return leads(data, group).flatMap((name) => {
    const last = data.curves[name][what].at(-1);
    return last ? [{ name, value: mean(last) }] : [];
  });
}
