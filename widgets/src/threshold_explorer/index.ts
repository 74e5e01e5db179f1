// ThresholdExplorer as a widget: the module that anywidget and the static page's host import.
import { ThresholdExplorer as registered } from "../../frontier_widgets/components.json";
import type { RenderProps } from "../base/afm";
import { mount, type Kind } from "../base/mount";
import type { Heights } from "../base/reserve";
import type { Language } from "../base/strings";
import { CHOICES, defaults } from "./state";
import { ThresholdExplorer } from "./view";

/** What the figure takes with its folds closed, measured; a test measures again. */
const HEIGHTS: Record<Language, Heights> = {
  zh: [
    [780, 796],
    [690, 817],
    [644, 835],
    [584, 1225],
    [530, 1350],
    [440, 1393],
    [350, 1430],
    [0, 1560],
  ],
  en: [
    [950, 840],
    [850, 879],
    [780, 900],
    [644, 923],
    [584, 1375],
    [500, 1484],
    [440, 1523],
    [400, 1550],
    [372, 1620],
    [340, 1680],
    [0, 1810],
  ],
};

const KIND: Kind = {
  choices: CHOICES,
  data: registered.data_traits,
  build: (model, language, signal) => new ThresholdExplorer(model, language, signal),
  heights: HEIGHTS,
};

const render = (props: RenderProps): (() => void) => mount(KIND, props);

export { defaults };
export default { render };
