// The part of anywidget's front-end module contract (AFM) that components use and the host provides.

export type Listener = (...values: unknown[]) => void;

export interface AnyModel {
  get(name: string): unknown;
  set(name: string | Record<string, unknown>, value?: unknown): void;
  save_changes(): void;
  send(content?: unknown): void;
  on(names: string, listener: Listener): void;
  off(names?: string | null, listener?: Listener | null): void;
}

export interface Experimental {
  invoke(name: string, message?: unknown): Promise<never>;
}

export type Cleanup = () => void | Promise<void>;

export interface InitializeProps {
  model: AnyModel;
  signal?: AbortSignal;
  experimental?: Experimental;
}

export interface RenderProps extends InitializeProps {
  el: HTMLElement;
}

export interface WidgetDefinition {
  initialize?(props: InitializeProps): void | Cleanup | Promise<void | Cleanup>;
  render?(props: RenderProps): void | Cleanup | Promise<void | Cleanup>;
}

export interface AnyModule {
  default?: WidgetDefinition | (() => WidgetDefinition | Promise<WidgetDefinition>);
  /** Trait values for a page without saved state, made from the component's published data. */
  defaults?(data: unknown): Record<string, unknown>;
}
