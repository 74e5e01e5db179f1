// AttentionPatternAnalyzer as a widget: the module that anywidget and the static page's host import.
import { AttentionPatternAnalyzer as registered } from "../../frontier_widgets/components.json";
import type { RenderProps } from "../base/afm";
import { mount, type Kind } from "../base/mount";
import { CHOICES, defaults } from "./state";
import { AttentionPatternAnalyzer } from "./view";

const KIND: Kind = {
  choices: CHOICES,
  data: registered.data_traits,
  build: (model, language, signal) => new AttentionPatternAnalyzer(model, language, signal),
};

const render = (props: RenderProps): (() => void) => mount(KIND, props);

export { defaults };
export default { render };
