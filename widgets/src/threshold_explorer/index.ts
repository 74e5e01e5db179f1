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
    [950, 780],
    [780, 795],
    [690, 816],
    [644, 834],
    [600, 1225],
    [560, 1294],
    [520, 1333],
    [460, 1365],
    [420, 1386],
    [372, 1415],
    [342, 1460],
    [0, 1560],
  ],
  en: [
    [950, 840],
    [850, 879],
    [644, 905],
    [600, 1370],
    [500, 1456],
    [440, 1500],
    [400, 1530],
    [372, 1600],
    [342, 1675],
    [0, 1800],
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
