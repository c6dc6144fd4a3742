// Where a page sends its visitor by itself: <meta http-equiv=refresh> and the Refresh header, by the HTML standard's "shared
// declarative refresh steps".

export type Refresh = {
  readonly delaySeconds: number;
  /** As written; absent where the page is to be loaded again. */
  readonly reference?: string;
};

/** @param content of the element, or value of the header; undefined when a browser would do nothing */
export function parseRefresh(content: string): Refresh | undefined {
  const time = /^[\t\n\f\r ]*(?:(\d+)|(?=\.))[\d.]*/.exec(content);
  if (time === null) return undefined;
  const delaySeconds = Number(time[1] ?? 0);
  const rest = content.slice(time[0].length);
  if (rest === '') return { delaySeconds };
  const separator = /^(?:[\t\n\f\r ]+[;,]?|[;,])[\t\n\f\r ]*/.exec(rest);
  if (separator === null) return undefined;
  const written = rest.slice(separator[0].length);
  return written === '' ? { delaySeconds } : { delaySeconds, reference: referenceOf(written) };
}

/** `url=` may be left out; of what is quoted counts what stands before the second quote. */
function referenceOf(written: string): string {
  const value = written.replace(/^url[\t\n\f\r ]*=[\t\n\f\r ]*/i, '');
  const quote = /^["']/.exec(value)?.[0];
  return quote === undefined ? value : (value.slice(1).split(quote, 1)[0] ?? '');
}

/**
 * The refresh that a browser carries out: the soonest, as Chromium does, and of equals the first one. Where a page names several
 * the standard takes the first, but then pages that show themselves again every ten minutes would never send anybody on.
 */
export function soonestRefresh(contents: readonly string[]): Refresh | undefined {
  const refreshes = contents.map(parseRefresh).filter((refresh) => refresh !== undefined);
  return refreshes.toSorted((a, b) => a.delaySeconds - b.delaySeconds)[0];
}
