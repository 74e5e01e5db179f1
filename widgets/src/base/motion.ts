/** Whether the reader asked for less motion; components then change at once instead of moving. */
export function reducedMotion(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
