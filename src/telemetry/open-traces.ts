// Loads what sends traces: a process that has none to send does without that library.
import type { sendTraces } from './otlp-traces.ts';
import type { Traces, TracesOptions } from './traces.ts';

export async function openTraces(options: TracesOptions): Promise<Traces> {
  // By its URL, so that it is a bundle of its own, which other processes do not even read.
  const file = new URL('./otlp-traces.ts', import.meta.url);
  const library = (await import(file.href)) as { readonly sendTraces: typeof sendTraces };
  return library.sendTraces(options);
}
