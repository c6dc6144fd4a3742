// Whether the pages of a pattern of URLs still say anything new: a word that none of them said before, or a link to
// somewhere else that nobody linked to. What a site makes up without end comes to say the same again and again.

import QuickLRU from 'quick-lru';

/** Patterns whose pages are compared; the one that was used longest ago is forgotten. */
const MAX_PATTERNS = 100;
/** Words that are kept of one pattern; pages that have more to say than that are no trap. */
const MAX_WORDS = 2_000;
/** Pages in a row that say nothing new, before it is over. */
const MAX_WITHOUT_NEWS = 50;

export type PatternNews = {
  readonly add: (pattern: string, text: string, leadsOn: boolean) => void;
  /** The last pages in a row have said nothing new, and there were enough of them. */
  readonly areOver: (pattern: string) => boolean;
  /** Pages have been read, and the last ones had news. */
  readonly areComing: (pattern: string) => boolean;
};

/** @param enoughWithoutNews pages in a row without news after which it is over; 50 at most */
export function createPatternNews(enoughWithoutNews: number): PatternNews {
  const enough = Math.max(1, Math.min(enoughWithoutNews, MAX_WITHOUT_NEWS));
  const records = new QuickLRU<string, { readonly words: Set<string>; withoutNews: number }>({ maxSize: MAX_PATTERNS });

  function recordOf(pattern: string) {
    const record = records.get(pattern) ?? { words: new Set<string>(), withoutNews: 0 };
    records.set(pattern, record);
    return record;
  }

  return {
    add(pattern, text, leadsOn) {
      const record = recordOf(pattern);
      // Numbers are what URLs of one pattern differ by: they are no news.
      const words = text.toLowerCase().match(/\p{L}{2,}/gu) ?? [];
      const isNew = words.filter((word) => !record.words.has(word)).length > 0;
      for (const word of words) if (record.words.size < MAX_WORDS) record.words.add(word);
      record.withoutNews = isNew || leadsOn ? 0 : record.withoutNews + 1;
    },
    areOver: (pattern) => (records.get(pattern)?.withoutNews ?? 0) >= enough,
    areComing(pattern) {
      const record = records.get(pattern);
      return record !== undefined && record.withoutNews < enough;
    },
  };
}
