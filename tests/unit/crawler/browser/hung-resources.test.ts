// What was not answered is not asked for again for a while.
import { describe, expect, it } from 'vitest';
import { createHungResources } from '#src/crawler/browser/hung-resources.ts';

describe('a resource that hangs', () => {
  it('is known by its address without the query, for ten minutes', () => {
    let now = 0;
    const hung = createHungResources(() => now);
    hung.note(['https://ads.example/tag.js?time=1']);
    expect(hung.has('https://ads.example/tag.js?time=2')).toBe(true);
    expect(hung.has('https://ads.example/other.js')).toBe(false);
    expect(hung.patterns()).toEqual(['https://ads.example/tag.js*']);
    now = 11 * 60_000;
    expect(hung.has('https://ads.example/tag.js')).toBe(false);
    expect(hung.patterns()).toEqual([]);
  });

  it('is a pattern that means what it says', () => {
    const hung = createHungResources();
    hung.note(['https://a.example/x*y\\z?q=1']);
    expect(hung.patterns()).toEqual(['https://a.example/x\\*y\\\\z*']);
  });

  it('changes the version, which nothing else does', () => {
    const hung = createHungResources();
    hung.note([]);
    expect(hung.version()).toBe(0);
    hung.note(['https://a.example/']);
    expect(hung.version()).toBe(1);
  });

  it('is forgotten when two hundred others hang', () => {
    const hung = createHungResources();
    hung.note(Array.from({ length: 201 }, (_, number) => `https://a.example/${number}`));
    expect([hung.has('https://a.example/0'), hung.has('https://a.example/1')]).toEqual([false, true]);
  });
});
