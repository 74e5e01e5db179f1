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
    [691, 980],
    [0, 1565],
  ],
  en: [
    [691, 1017],
    [0, 1790],
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
