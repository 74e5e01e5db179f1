// Classic scripts beside the page: on file:// a page may run scripts, where it may neither fetch nor import.

/**
 * Adds a script of the page's static folder and waits until it has run; rejects, and takes it away, if it
 * cannot.
 */
export function addScript(file: string, folder: string | undefined): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(file, folder).href;
    script.onload = () => resolve();
    script.onerror = () => {
      script.remove();
      reject(new Error(file));
    };
    document.head.append(script);
  });
}
