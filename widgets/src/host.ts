// The kernel-free host: a classic script, because a browser refuses module scripts and fetch on file://. Components are
// ES modules in the registry `window.frontierComponents` and are imported from Blob URLs.
import { Host, type Registry } from "./host_page";
import css from "./host.css";
import { Modules } from "./host_modules";

declare global {
  interface Window {
    frontierComponents?: Registry;
  }
}

async function run(): Promise<void> {
  const modules = new Modules();
  modules.style(css);
  await new Host(window.frontierComponents ?? {}, modules).start(document);
  document.documentElement.dataset.frontier = "done";
}

const start = (): void => void run().catch((error: unknown) => console.error("[frontier]", error));
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
else start();
