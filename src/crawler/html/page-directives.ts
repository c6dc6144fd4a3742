// What a page says to crawlers: robots rules in <meta> and X-Robots-Tag, and its canonical URL.

export type PageDirectives = {
  /** The page is not to be kept. */
  readonly noindex: boolean;
  /** Its links are not to be followed. */
  readonly nofollow: boolean;
};

/**
 * The sum of all rules that apply; of two that contradict each other the stricter one holds.
 * @param meta name and content of <meta> elements
 * @param header X-Robots-Tag, several of them joined by commas: `noindex`, or `somebot: noindex, nofollow`
 * @param product of our user agent, in lower case
 */
export function directivesOf(
  meta: readonly (readonly [name: string, content: string])[],
  header: string | undefined,
  product: string,
): PageDirectives {
  const names = ['robots', product];
  const words = meta
    .filter(([name]) => names.includes(name.trim().toLowerCase()))
    .flatMap(([, content]) => wordsOf(content));
  words.push(...headerWords(header ?? '', product));
  const says = (word: string) => words.includes(word) || words.includes('none');
  return { noindex: says('noindex'), nofollow: says('nofollow') };
}

function wordsOf(text: string): string[] {
  return text
    .slice(0, 1_000)
    .toLowerCase()
    .split(/[\s,]+/);
}

/** A name before a colon holds for the words up to the next name. */
function headerWords(header: string, product: string): string[] {
  const words: string[] = [];
  let isForUs = true;
  for (const part of header.slice(0, 4_000).toLowerCase().split(',')) {
    const [, name, rest] = /^\s*([^\s:]+)\s*:\s*(.*)$/.exec(part) ?? [];
    // Rules with a value, such as `unavailable_after: date`, look like names.
    const isRule = name !== undefined && /^(unavailable_after|max-[a-z-]+)$/.test(name);
    if (name !== undefined && !isRule) isForUs = name === product || name === 'robots';
    if (isForUs && !isRule) words.push((rest ?? part).trim());
  }
  return words;
}
