// Needles in a ledger, made by the rule of frontier_lab/texts/ledgers.py: rows stated among ordinary text,
// and one asked for again. The draws come in Python's order, so that a test can give both the same ones.

/** What the page brings of a ledger: token ids of its words, and ordinary text without its values. */
export interface Ledger {
  labels: readonly number[];
  /** Of each label. */
  values: readonly (readonly number[])[];
  comma: number;
  text: Uint16Array;
}

/** As numpy's generator draws: integers of [low, high), and the numbers below `count` in random order. */
export interface Draw {
  integer(low: number, high: number): number;
  permutation(count: number): number[];
}

/** A Draw on uniform numbers of [0, 1). */
export function drawFrom(uniform: () => number): Draw {
  const integer = (low: number, high: number): number => low + Math.floor(uniform() * (high - low));
  return {
    integer,
    permutation: (count) => {
      const order = Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = integer(0, i + 1);
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    },
  };
}

/**
 * Text with every row stated once, at random places, and the value of one asked for at the end.
 *
 * @param length - tokens, the asked label and its value, the last token, among them.
 * @param distance - tokens from the value in its row to the same value at the end.
 */
export function needle(
  { labels, values, comma, text }: Ledger,
  draw: Draw,
  length: number,
  distance: number,
): number[] {
  const asked = length - 2 - distance; // where the row stands that is asked for
  const free = Array.from({ length: Math.floor((length - 2) / 3) }, (_, place) => place).filter(
    (place) => Math.abs(3 * place - asked) >= 3,
  );
  const start = draw.integer(0, text.length - length + 1);
  const ids = Array.from(text.subarray(start, start + length));
  const facts = draw
    .permutation(labels.length)
    .map((label) => [labels[label], values[label][draw.integer(0, values[label].length)]]);
  const others = draw.permutation(free.length).slice(0, facts.length - 1);
  [asked, ...others.map((place) => 3 * free[place])].forEach((at, i) => {
    ids.splice(at, 3, facts[i][0], facts[i][1], comma);
  });
  ids.splice(length - 2, 2, facts[0][0], facts[0][1]);
  return ids;
}
