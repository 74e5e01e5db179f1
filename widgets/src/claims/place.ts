// Where a card stands: beside its mark, inside the viewport.

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Place {
  left: number;
  top: number;
  /** Beyond it the card scrolls. */
  maxHeight: number;
}

/** Between mark and card, and between card and the viewport's edge, in pixels. */
export const GAP = 8;

/** Below the mark if the card fits there or there is more room than above; in pixels of the viewport. */
export function place(
  mark: Box,
  card: { width: number; height: number },
  view: { width: number; height: number },
): Place {
  const below = view.height - (mark.top + mark.height) - 2 * GAP;
  const above = mark.top - 2 * GAP;
  const under = card.height <= below || below >= above;
  const maxHeight = Math.max(under ? below : above, 120);
  const height = Math.min(card.height, maxHeight);
  const wanted = mark.left + mark.width / 2 - card.width / 2;
  return {
    left: Math.max(GAP, Math.min(wanted, view.width - card.width - GAP)),
    top: under ? mark.top + mark.height + GAP : mark.top - GAP - height,
    maxHeight,
  };
}
