// AttackPlayground as a widget: the module that anywidget and the static page's host import.
import { AttackPlayground as registered } from "../../frontier_widgets/components.json";
import type { RenderProps } from "../base/afm";
import { mount, type Kind } from "../base/mount";
import type { Heights } from "../base/reserve";
import type { Language } from "../base/strings";
import { CHOICES, defaults } from "./state";
import { AttackPlayground } from "./view";

/** What the figure takes with its folds closed, measured; a test measures again. */
const HEIGHTS: Record<Language, Heights> = {
  zh: [
    [960, 1021],
    [780, 1054],
    [720, 1099],
    [687, 1117],
    [640, 1558],
    [600, 1628],
    [430, 1755],
    [390, 1846],
    [340, 1909],
    [0, 2150],
  ],
  en: [
    [1000, 1066],
    [930, 1084],
    [780, 1117],
    [687, 1243],
    [640, 1660],
    [600, 1730],
    [500, 1878],
    [430, 1908],
    [390, 2046],
    [340, 2160],
    [0, 2415],
  ],
};

const KIND: Kind = {
  choices: CHOICES,
  data: registered.data_traits,
  build: (model, language, signal) => new AttackPlayground(model, language, signal),
  heights: HEIGHTS,
};

const render = (props: RenderProps): (() => void) => mount(KIND, props);

export { defaults };
export default { render };
