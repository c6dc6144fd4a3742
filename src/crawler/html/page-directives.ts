// What a page says to crawlers: robots rules in <meta> and X-Robots-Tag.

export type PageDirectives = {
  /** The page is not to be kept. */
  readonly noindex: boolean;
  /** Its links are not to be followed. */
  readonly nofollow: boolean;
};

/**
 * The sum of all rules that apply; of two that contradict each other the stricter one holds.
 * @param meta name and content of <meta> elements
 * @param headers each X-Robots-Tag: `noindex`, or `somebot: noindex, nofollow`
 * @param product of our user agent, in lower case
 */
export function directivesOf(
  meta: readonly (readonly [name: string, content: string])[],
  headers: readonly string[],
  product: string,
): PageDirectives {
  const isOurs = (name: string) => name === 'robots' || name === product || /^[a-z_-]*/.exec(name)?.[0] === product;
  const words = meta.filter(([name]) => isOurs(name.trim().toLowerCase())).flatMap(([, content]) => wordsOf(content));
  // A name in one header says nothing of the next one.
  for (const header of headers) words.push(...headerWords(header, isOurs));
  const says = (word: string) => words.includes(word) || words.includes('none');
  return { noindex: says('noindex'), nofollow: says('nofollow') };
}

function wordsOf(text: string): string[] {
  return text
    .slice(0, 1_000)
    .toLowerCase()
    .split(/[\s,;]+/);
}

/** Within one header, a name before a colon holds for the words up to the next name. */
function headerWords(header: string, isOurs: (name: string) => boolean): string[] {
  const words: string[] = [];
  let isForUs = true;
  for (const part of header.slice(0, 4_000).toLowerCase().split(',')) {
    const [, name, rest] = /^\s*([^\s:]+)\s*:\s*(.*)$/.exec(part) ?? [];
    // Rules with a value, such as `unavailable_after: date`, look like names.
    const isRule = name !== undefined && /^(unavailable_after|max-[a-z-]+)$/.test(name);
    if (name !== undefined && !isRule) isForUs = isOurs(name);
    if (isForUs && !isRule) words.push(...wordsOf(rest ?? part));
  }
  return words;
}
