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
  zh: [[0, 900]],
  en: [[0, 900]],
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
