// The program of the extractor process: what takes long, or is not ours, runs here, where it can be ended at any time. It
// has no environment, and of the file system it may only read the program and the module.
import { pathToFileURL } from 'node:url';
import type { ItemData } from '../../gateway/protocol/worker-store.ts';
import { parsePage } from '../html/page-document.ts';
import type { ExtractorInput, ExtractorJob, ExtractorStart, FromExtractor } from './extractor-messages.ts';
import { type MainText, mainText } from './main-text.ts';

type Extract = (input: ExtractorInput) => unknown;

const { modulePath } = JSON.parse(process.argv[2] ?? '{}') as ExtractorStart;

function send(message: FromExtractor): void {
  process.send?.(message);
}

async function load(path: string): Promise<Extract> {
  const { default: extract }: { default?: unknown } = await import(pathToFileURL(path).href);
  if (typeof extract !== 'function') throw new TypeError('the module has no function as its default export');
  return extract as Extract;
}

async function answer(job: ExtractorJob, main: MainText | undefined, extract: Extract | undefined): Promise<unknown> {
  const items = main === undefined ? job.items : withText(job.items, main.text);
  return extract === undefined ? items : await extract(inputOf({ ...job, items }));
}

/** An item without any value is left out. */
function withText(items: readonly ItemData[], text: string | null): readonly ItemData[] {
  return items
    .map((item) => ({ ...item, text }))
    .filter((item) =>
      Object.values(item).some((value) => value !== null && !(Array.isArray(value) && value.length === 0)),
    );
}

function inputOf({ url, html, items, response }: ExtractorJob): ExtractorInput {
  let document: object | undefined;
  return {
    ...{ url, html, items, response },
    get document() {
      document ??= parsePage(html) as object;
      return document;
    },
  };
}

async function handle(job: ExtractorJob, extract: Extract | undefined): Promise<void> {
  try {
    const main = job.wantsText ? mainText(job.html, job.url) : undefined;
    const json = JSON.stringify(await answer(job, main, extract));
    if (json === undefined) throw new TypeError('the extractor returned nothing');
    send({ type: 'done', json, ...(main?.isCut ? { isTextCut: true } : {}) });
  } catch (error) {
    send({ type: 'failed', message: describe(error) });
  }
}

/** Code that is not ours may throw anything. */
function describe(error: unknown): string {
  return String(error instanceof Error ? `${error.name}: ${error.message}` : error).slice(0, 1_000);
}

try {
  const extract = modulePath === undefined ? undefined : await load(modulePath);
  process.on('message', (job: ExtractorJob) => void handle(job, extract));
  // Without its worker it has nothing to do.
  process.on('disconnect', () => process.exit());
  send({ type: 'ready' });
} catch (error) {
  send({ type: 'refused', message: describe(error) });
}
