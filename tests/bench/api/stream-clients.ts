// Clients that hold a stream of events open and note how old each change is that reaches them.
import { get, type IncomingMessage } from 'node:http';
import { type Load, load } from './load-process.ts';

export type StreamsWork = {
  readonly clients: number;
  readonly url: string;
  readonly path: string;
  readonly tokens: readonly string[];
};

export type StreamsReport = { readonly ms: number[]; readonly events: number; readonly broken: number };

/** In a run's message: when it was written, in milliseconds of the clock that all processes share. */
const STAMP = /"message":"at (\d+)"/g;
/** Streams are opened one after another, as people come. */
const AT_ONCE = 50;

function begin({ clients, url, path, tokens }: StreamsWork): Load<StreamsReport> {
  const ms: number[] = [];
  let [events, broken] = [0, 0];
  let isMeasuring = false;

  function open(n: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${tokens[n % tokens.length]}`, accept: 'text/event-stream' };
      const request = get(url + path, { headers, agent: false, signal }, (answer: IncomingMessage) => {
        if (answer.statusCode !== 200) return reject(new Error(`the stream was answered with ${answer.statusCode}`));
        let begun = '';
        answer.setEncoding('utf8').on('data', (text: string) => {
          const now = Date.now();
          const end = text.lastIndexOf('\n\n');
          const whole = begun + text.slice(0, end + 1);
          begun = end < 0 ? begun + text : text.slice(end + 1);
          if (end < 0) return;
          if (whole.includes('event: synced')) resolve();
          if (!isMeasuring) return;
          for (const [, at] of whole.matchAll(STAMP)) {
            events += 1;
            ms.push(now - Number(at));
          }
        });
        answer.on('close', () => {
          if (!signal.aborted) broken += 1;
        });
        answer.on('error', () => undefined);
      });
      request.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
    });
  }

  return {
    async run(signal, onReady) {
      for (let n = 0; n < clients; n += AT_ONCE) {
        await Promise.all(Array.from({ length: Math.min(AT_ONCE, clients - n) }, (_, k) => open(n + k, signal)));
      }
      onReady();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    report: () => ({ ms, events, broken }),
    forget() {
      isMeasuring = true;
    },
  };
}

load(begin);
