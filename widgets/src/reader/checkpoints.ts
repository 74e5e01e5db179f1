// Where a component gets the book's checkpoints from: a script
// beside the page, or the kernel. Never before it is asked.
import type { AnyModel } from "../base/afm";
import { fromBase64 } from "../base/bytes";
import { addScript } from "../base/scripts";
import { TinyEncoder, type EncoderCheckpoint } from "./encoder";
import { TinyModel, type Checkpoint } from "./model";
import { readTensors, type Tensors } from "./safetensors";

declare global {
  interface Window {
    /** Filled by frontier-checkpoint-NAME.js: files of a checkpoint, weights in base64. */
    frontierCheckpoints?: Record<string, Omit<Files, "weights"> & { weights: string }>;
    /** Address of the folder with those scripts, set by the host of a static page. */
    frontierStatic?: string;
  }
}

/** What the loader has to tell a reader. */
export interface LoadStrings {
  noScript(file: string): string;
  noKernel: string;
}

/** What is sent under a name: all files of a model, or weights that belong to another one. */
interface Files {
  config?: unknown;
  tokenizer?: unknown;
  weights: DataView;
}

const PATIENCE = 20_000;
const loaded = new Map<string, Promise<unknown>>();

/** What `make` makes of the files of a name, once for a page; a failure is not remembered. */
function once<Made>(
  name: string,
  from: AnyModel | null,
  text: LoadStrings,
  make: (files: Files) => Made,
): Promise<Made> {
  const known = loaded.get(name) as Promise<Made> | undefined;
  if (known) return known;
  const made = (async () =>
    make(
      await (window.frontierStatic === undefined && from
        ? fromKernel(name, from, text)
        : fromPage(name, text)),
    ))();
  loaded.set(name, made);
  made.catch(() => loaded.delete(name));
  return made;
}

/**
 * The model by its name, loaded once for a page; a failure
 * is not remembered, so that the reader can try again.
 *
 * @param from - asks the kernel where there is no static page; null on pages that are always static.
 */
export function loadModel(name: string, from: AnyModel | null, text: LoadStrings): Promise<TinyModel> {
  return once(name, from, text, (files) => new TinyModel(whole(name, files) as Checkpoint));
}

/** A sentence classifier by its name; see `loadModel`. */
export function loadEncoder(name: string, from: AnyModel | null, text: LoadStrings): Promise<TinyEncoder> {
  return once(name, from, text, (files) => new TinyEncoder(whole(name, files) as EncoderCheckpoint));
}

function whole(name: string, files: Files): Files {
  if (!files.config || !files.tokenizer) throw new Error(`${name} has weights and no model`);
  return files;
}

/** Tensors that belong to another checkpoint, such as its task vectors; see `loadModel`. */
export function loadTensors(name: string, from: AnyModel | null, text: LoadStrings): Promise<Tensors> {
  return once(name, from, text, ({ weights }) => readTensors(weights));
}

/** Tensors with words that belong to them, of no model; see `loadModel`. */
export function loadTables<Made>(
  name: string,
  from: AnyModel | null,
  text: LoadStrings,
  make: (words: unknown, tensors: Tensors) => Made,
): Promise<Made> {
  return once(name, from, text, ({ config, weights }) => make(config, readTensors(weights)));
}

async function fromPage(name: string, text: LoadStrings): Promise<Files> {
  const file = `frontier-checkpoint-${name}.js`;
  if (!window.frontierCheckpoints?.[name])
    await addScript(file, window.frontierStatic).catch(() => {
      throw new Error(text.noScript(file));
    });
  const entry = window.frontierCheckpoints?.[name];
  if (!entry) throw new Error(text.noScript(file));
  return { ...entry, weights: fromBase64(entry.weights) };
}

interface Answer extends Omit<Files, "weights"> {
  type?: string;
  name?: string;
  error?: string;
}

function fromKernel(name: string, from: AnyModel, text: LoadStrings): Promise<Files> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(patience);
      from.off("msg:custom", listen);
    };
    const listen = (...values: unknown[]): void => {
      const [answer, buffers] = values as [Answer, (DataView | ArrayBuffer)[] | undefined];
      if (answer?.type !== "checkpoint" || answer.name !== name) return;
      end();
      const { config, tokenizer, error } = answer;
      const weights = buffers?.[0];
      if (error || !weights) {
        reject(new Error(error ?? text.noKernel));
        return;
      }
      resolve({ config, tokenizer, weights: weights instanceof DataView ? weights : new DataView(weights) });
    };
    const patience = setTimeout(() => {
      end();
      reject(new Error(text.noKernel));
    }, PATIENCE);
    from.on("msg:custom", listen);
    from.send({ type: "checkpoint", name });
  });
}
