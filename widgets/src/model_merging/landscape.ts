// What was measured at the nodes of a grid of weights, and an estimate in between: the twin of
// frontier_widgets/model_merging/landscape.py.

/** Right answers of each task, and the loss on text. */
export interface Scores {
  right: readonly number[];
  text: number;
}

/** Where a weight is on the axis: the node below, and the share of the next one. */
export function placeOn(axis: readonly number[], weight: number): [node: number, share: number] {
  let above = 1;
  while (above < axis.length - 1 && axis[above] <= weight) above++;
  const share = (weight - axis[above - 1]) / (axis[above] - axis[above - 1]);
  return [above - 1, Math.min(1, Math.max(0, share))];
}

export class Landscape {
  readonly #values: Uint16Array;
  readonly #row: number;

  /** @param values - [lengths · 2 · axis³ · (tasks + 1)], the loss in thousandths of a nat. */
  constructor(
    values: Uint16Array,
    readonly axis: readonly number[],
    readonly tasks: number,
  ) {
    this.#values = values;
    this.#row = tasks + 1;
  }

  /** Numbers that the whole grid has. */
  static size(lengths: number, axis: number, tasks: number): number {
    return lengths * 2 * axis ** 3 * (tasks + 1);
  }

  /** What was measured at a node. */
  node(length: number, embedding: boolean, at: readonly number[]): Scores {
    const size = this.axis.length;
    const place = at.reduce((sum, i) => sum * size + i, length * 2 + Number(embedding));
    const row = this.#values.subarray(place * this.#row, (place + 1) * this.#row);
    return { right: [...row.subarray(0, this.tasks)], text: row[this.tasks] / 1000 };
  }

  /** Whether weights are those of a node, where nothing is estimated. */
  isNode(weights: readonly number[]): boolean {
    return weights.every((weight) => this.axis.some((value) => Math.abs(value - weight) < 1e-9));
  }

  /** Trilinear between the nodes, as at the edge beyond it. */
  estimate(length: number, embedding: boolean, weights: readonly number[]): Scores {
    const places = weights.map((weight) => placeOn(this.axis, weight));
    const right = new Array<number>(this.tasks).fill(0);
    let text = 0;
    for (let corner = 0; corner < 2 ** places.length; corner++) {
      let share = 1;
      const at = places.map(([low, part], i) => {
        const up = (corner >> i) & 1;
        share *= up ? part : 1 - part;
        return low + up;
      });
      if (!share) continue;
      const found = this.node(length, embedding, at);
      found.right.forEach((count, i) => {
        right[i] += share * count;
      });
      text += share * found.text;
    }
    return { right, text };
  }
}

export const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
