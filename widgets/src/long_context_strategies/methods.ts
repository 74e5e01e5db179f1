// Numbers of every way to stretch rotary positions.
import { closest, frequencies, resolution, temperature, turns, type Method, type Rotary } from "./rotary";
import { SHOWN_METHODS } from "./state";

export interface MethodRow {
  method: Method;
  resolution: number;
  temperature: number;
  unfinished: number;
  closest: number;
}

/** Numbers of every method at this stretch. */
export function methodRows(rotary: Rotary): MethodRow[] {
  return SHOWN_METHODS.map((method) => {
    const one = { ...rotary, method, factor: method === "default" ? 1 : rotary.factor };
    const speeds = frequencies(one);
    return {
      method,
      resolution: resolution(speeds),
      temperature: temperature(one),
      unfinished: turns(speeds, rotary.trained).filter((turn) => turn < 1).length,
      closest: closest(speeds, Math.min(512, rotary.trained)).distance,
    };
  });
}
