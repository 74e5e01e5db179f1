// MoERouting as a widget: the module that anywidget and the static page's host import.
import { MoERouting as registered } from "../../frontier_widgets/components.json";
import type { RenderProps } from "../base/afm";
import { mount, type Kind } from "../base/mount";
import { CHOICES, defaults } from "./state";
import { MoERouting } from "./view";

const KIND: Kind = {
  choices: CHOICES,
  data: registered.data_traits,
  build: (model, language, signal) => new MoERouting(model, language, signal),
};

const render = (props: RenderProps): (() => void) => mount(KIND, props);

export { defaults };
export default { render };
