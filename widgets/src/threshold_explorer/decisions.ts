// What a threshold lets through and blocks: the twin of frontier_widgets/threshold_explorer/decisions.py,
// whose docstrings say more. A score is a logit; a text is blocked where its score is at or above the level.

/** A byte b stands for the logit (b - 128) / 16. */
const STEPS = 16;
const MIDDLE = 128;
/** Levels: at the lowest everything is blocked, at the highest nothing. */
export const LOWEST = -8;
export const HIGHEST = 8;
/** Largest score. */
export const TOP = (255 - MIDDLE) / STEPS;
/** The shift from which on a label blocks nothing. */
export const NEVER = 16;
/** Below a level that still reaches it: a level is kept as a probability. */
const TOLERANCE = 1e-6;
/** Of an interval that holds 95 %. */
const Z = 1.959963984540054;

export type Sigmoid = readonly [slope: number, shift: number];

/** Scores of texts, and whether each is harmful. */
export interface Scored {
  scores: readonly number[];
  harmful: readonly boolean[];
}

export interface Rates {
  harmful: number;
  missed: number;
  harmless: number;
  blocked: number;
}

/** What a level that some text's score is at lets through and blocks. */
export interface Point {
  level: number;
  missed: number;
  blocked: number;
}

/** Logits, label by label of one text after the other. */
export function decode(bytes: DataView): number[] {
  return Array.from({ length: bytes.byteLength }, (_, i) => (bytes.getUint8(i) - MIDDLE) / STEPS);
}

/** One score of each text, which reaches a level where some label reaches the level plus its shift. */
export function combined(
  logits: readonly number[],
  shifts: readonly number[],
  sigmoids: readonly Sigmoid[] | null = null,
): number[] {
  const labels = shifts.length;
  return Array.from({ length: logits.length / labels }, (_, text) => {
    let best = LOWEST;
    for (let label = 0; label < labels; label++) {
      if (shifts[label] >= NEVER) continue;
      const logit = logits[text * labels + label];
      const value = sigmoids ? logit * sigmoids[label][0] + sigmoids[label][1] : logit;
      best = Math.max(best, value - shifts[label]);
    }
    return Math.min(TOP, best);
  });
}

export const reaches = (score: number, level: number): boolean => score >= level - TOLERANCE;

export function rates({ scores, harmful }: Scored, level: number): Rates {
  const found: Rates = { harmful: 0, missed: 0, harmless: 0, blocked: 0 };
  scores.forEach((score, i) => {
    const over = reaches(score, level);
    if (harmful[i]) {
      found.harmful++;
      if (!over) found.missed++;
    } else {
      found.harmless++;
      if (over) found.blocked++;
    }
  });
  return found;
}

/** Wilson's interval of a share of independent texts that holds 95 %; null without a text. */
export function wilson(hits: number, of: number): [low: number, high: number] | null {
  if (!of) return null;
  const middle = (hits + (Z * Z) / 2) / (of + Z * Z);
  const half = (Z / (of + Z * Z)) * Math.sqrt((hits * (of - hits)) / of + (Z * Z) / 4);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Every choice that a threshold has, from blocking nothing to blocking everything. */
export function operating({ scores, harmful }: Scored): Point[] {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  let missed = harmful.filter(Boolean).length;
  let blocked = 0;
  const found: Point[] = [{ level: HIGHEST, missed, blocked }];
  order.forEach((i, at) => {
    if (harmful[i]) missed--;
    else blocked++;
    if (at + 1 === order.length || scores[order[at + 1]] < scores[i])
      found.push({ level: scores[i], missed, blocked });
  });
  return found;
}

const ends = (points: readonly Point[]): [harmful: number, harmless: number] => [
  points[0].missed,
  points[points.length - 1].blocked,
];

/** Share of pairs of a harmful and a harmless text that are ranked right; null where there is no pair. */
export function auroc(points: readonly Point[]): number | null {
  const [harmful, harmless] = ends(points);
  if (!(harmful * harmless)) return null;
  let area = 0;
  for (let i = 1; i < points.length; i++) {
    const [before, after] = [points[i - 1], points[i]];
    area += ((after.blocked - before.blocked) * (2 * harmful - before.missed - after.missed)) / 2;
  }
  return area / (harmful * harmless);
}

/** Share of what is blocked that is harmful; null where nothing is blocked, or a kind is missing. */
export function precision(found: Rates, prevalence: number): number | null {
  if (!(found.harmful * found.harmless)) return null;
  const caught = prevalence * (1 - found.missed / found.harmful);
  const wrong = ((1 - prevalence) * found.blocked) / found.harmless;
  return caught + wrong ? caught / (caught + wrong) : null;
}

/** Mean cost of a text, in what a blocked harmless one costs; null where a kind is missing. */
export function cost(found: Rates, ratio: number, prevalence: number): number | null {
  if (!(found.harmful * found.harmless)) return null;
  const [missed, blocked] = [found.missed / found.harmful, found.blocked / found.harmless];
  return prevalence * ratio * missed + (1 - prevalence) * blocked;
}

/** The counts at a point. */
export function at(points: readonly Point[], { missed, blocked }: Point): Rates {
  const [harmful, harmless] = ends(points);
  return { harmful, missed, harmless, blocked };
}

/** The choice that costs least on these texts themselves; of equal ones that which blocks least. */
export function cheapest(points: readonly Point[], ratio: number, prevalence: number): Point {
  let best = points[0];
  let least = Number.POSITIVE_INFINITY;
  for (const point of points) {
    const spent = cost(at(points, point), ratio, prevalence);
    if (spent !== null && spent < least - 1e-12) {
      best = point;
      least = spent;
    }
  }
  return best;
}

/** Mean cost where the threshold was chosen on every other text; null where a half has one kind only. */
export function crossed(scored: Scored, ratio: number, prevalence: number): number | null {
  const halves = [0, 1].map(
    (half): Scored => ({
      scores: scored.scores.filter((_, i) => i % 2 === half),
      harmful: scored.harmful.filter((_, i) => i % 2 === half),
    }),
  );
  let sum = 0;
  for (const [half, chosen] of halves.entries()) {
    const points = operating(chosen);
    const { level } = cheapest(points, ratio, prevalence);
    const other = cost(rates(halves[1 - half], level), ratio, prevalence);
    const [harmful, harmless] = ends(points);
    if (other === null || !(harmful * harmless)) return null;
    sum += other;
  }
  return sum / 2;
}

/** A thousand texts, in whole ones. */
export interface Thousand {
  caught: number;
  missed: number;
  blocked: number;
  passed: number;
}

/** What becomes of a thousand texts at these rates; null where a kind is missing. */
export function thousand(found: Rates, prevalence: number): Thousand | null {
  if (!(found.harmful * found.harmless)) return null;
  const harmful = Math.floor(1000 * prevalence + 0.5);
  const missed = Math.floor((harmful * found.missed) / found.harmful + 0.5);
  const blocked = Math.floor(((1000 - harmful) * found.blocked) / found.harmless + 0.5);
  return { caught: harmful - missed, missed, blocked, passed: 1000 - harmful - blocked };
}
