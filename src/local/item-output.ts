// Items to a file or to standard output, in the formats of spec.output.
import { basename, dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writeOutputFile } from '../crawler/output/output-file.ts';
import { type OutputFormatName, outputFormat } from '../crawler/output/output-format.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import type { RunItems } from '../store/run-items.ts';

export type ItemOutput = {
  readonly format: OutputFormatName;
  /** Standard output without it. The file appears whole, or stays as it was. */
  readonly file?: string;
};

/** Writes all items; how many. A reader that leaves early, such as head, is no error. */
export async function writeItems(
  { format, file }: ItemOutput,
  spec: CrawlRunSpec,
  items: RunItems,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  const { head, page, tail } = outputFormat(format, spec, format === 'CSV' ? await items.fields(signal) : []);
  async function* chunks(): AsyncGenerator<string> {
    yield head;
    for (let after: string | undefined; ; ) {
      const next = await items.page(after, signal);
      if (next.length === 0) break;
      yield page(next, count === 0);
      count += next.length;
      after = next.at(-1)?.id;
    }
    yield tail;
  }
  if (file !== undefined) {
    const path = resolve(file);
    await writeOutputFile(
      { volume: dirname(path), folder: '', name: basename(path), attempt: String(process.pid) },
      chunks(),
    );
    return count;
  }
  try {
    await pipeline(Readable.from(chunks()), process.stdout, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
  return count;
}
