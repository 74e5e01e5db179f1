// The kernel-free host: a classic script, because a browser refuses module scripts and fetch on file://.
// Components are ES modules in the registry `window.frontierComponents` and are imported from Blob URLs.
import { Host, type Registry } from "./page";
import css from "./style.css";
import { Modules } from "./modules";

declare global {
  interface Window {
    frontierComponents?: Registry;
    frontierStatic?: string;
  }
}

// The folder that this script came from holds the checkpoints
// too; only now does the browser say which it was.
const own = document.currentScript;
if (own instanceof HTMLScriptElement && own.src) window.frontierStatic = new URL(".", own.src).href;

async function run(): Promise<void> {
  const modules = new Modules();
  modules.style(css);
  await new Host(window.frontierComponents ?? {}, modules).start(document);
  document.documentElement.dataset.frontier = "done";
}

const start = (): void => void run().catch((error: unknown) => console.error("[frontier]", error));
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
else start();
