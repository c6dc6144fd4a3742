// The page that the main thread works for, in memory that the heartbeat thread reads as well: what blocks the main thread also keeps it
// from sending a message, and a message for each stage would cost more than some pages do.
import type { PageStage } from '../page-stage.ts';
import type { OpenPage } from './heartbeat-messages.ts';

/** Stages in which the main thread itself works for a page. */
const ON_MAIN_THREAD: readonly PageStage[] = ['Reading', 'Extracting', 'Screenshot'];

/** A page with a URL of any length that is crawled takes less, in bytes. */
const ROOM = 16_384;
const HEADER = 8;
/** Odd while the page is being written. */
const VERSION = 0;
/** Of the page as JSON, in bytes; 0 without one. */
const LENGTH = 1;

export type WorkedPage = {
  /** A page has entered a stage. */
  readonly entered: (page: OpenPage) => void;
  /** A page has ended. */
  readonly ended: (requestId: string) => void;
};

export function isWork(stage: PageStage): boolean {
  return ON_MAIN_THREAD.includes(stage);
}

/** Memory for one page, to be handed to the other thread. */
export function sharedPage(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER + ROOM);
}

/** The main thread's side: keeps the page that entered a stage of work last, until that page leaves it. */
export function writeWorkedPage(memory: SharedArrayBuffer): WorkedPage {
  const header = new Int32Array(memory, 0, 2);
  const room = Buffer.from(memory, HEADER);
  let worked: string | undefined;

  function write(text: string): void {
    Atomics.add(header, VERSION, 1);
    Atomics.store(header, LENGTH, room.write(text, 'utf8'));
    Atomics.add(header, VERSION, 1);
  }

  function left(requestId: string): void {
    if (worked !== requestId) return;
    worked = undefined;
    write('');
  }

  return {
    entered(page) {
      if (!isWork(page.stage)) {
        left(page.requestId);
        return;
      }
      worked = page.requestId;
      write(JSON.stringify(page));
    },
    ended: left,
  };
}

/** The other thread's side. Undefined when the main thread works for no page, or is just writing down for which. */
export function readWorkedPage(memory: SharedArrayBuffer): OpenPage | undefined {
  const header = new Int32Array(memory, 0, 2);
  const version = Atomics.load(header, VERSION);
  const text = Buffer.from(memory, HEADER, Atomics.load(header, LENGTH)).toString('utf8');
  const isWhole = version % 2 === 0 && version === Atomics.load(header, VERSION);
  return isWhole && text !== '' ? (JSON.parse(text) as OpenPage) : undefined;
}
