// Pictures of a run's pages: a file each, in a folder beside the run's output, there before the page is committed.
import { posix } from 'node:path';
import type { Claim } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { childName } from '../../resources/names.ts';
import { CrawlError } from '../failure.ts';
import { OutputFileError, writeOutputFile } from './output-file.ts';

type Output = NonNullable<CrawlRunSpec['output']>;

const EXTENSION = { PNG: 'png', JPEG: 'jpg' } as const;

/** Within the volume. */
export function screenshotFolder(output: Output, runName: string): string {
  return posix.join(output.path, `${output.filenamePrefix}${childName(runName)}-screenshots`);
}

export type KeptScreenshot = {
  /** The same in each run, so that a picture alone does not make an item another one. */
  readonly name: string;
  /** Within the volume. */
  readonly path: string;
};

export type ScreenshotFiles = {
  /**
   * Resolves when the picture is on the disk; another try of the page replaces it. Rejects with a CrawlError of cause
   * ScreenshotError.
   */
  readonly keep: (claim: Claim, picture: Buffer) => Promise<KeptScreenshot>;
};

export function createScreenshotFiles(options: {
  readonly output: Output;
  readonly format: keyof typeof EXTENSION;
  readonly runName: string;
  /** Where the volume is mounted. */
  readonly volume: string;
}): ScreenshotFiles {
  const { output, format, runName, volume } = options;
  const folder = screenshotFolder(output, runName);
  return {
    async keep({ requestId, leaseToken }, picture) {
      const name = `${requestId}.${EXTENSION[format]}`;
      try {
        await writeOutputFile({ volume, folder, name, attempt: leaseToken }, [picture]);
      } catch (error) {
        if (!(error instanceof OutputFileError)) throw error;
        throw new CrawlError({ cause: 'ScreenshotError', message: error.message, retryable: !error.lasting });
      }
      return { name, path: posix.join(folder, name) };
    },
  };
}
