// MoERouting as a widget: the module that anywidget and the static page's host import.
export { default, defaults } from "./view";
