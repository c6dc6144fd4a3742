// The figures of the crawl bench: medians, and the corpus that counts.
import { describe, expect, it } from 'vitest';
import { lowestRatio, median, memoryOf, type Rides, speedOf } from '../bench/crawl/figures.ts';

const ride = (pagesPerSecond: number, peakMb = 100) => ({ pagesPerSecond, peakMb });

const rides: Rides = new Map([
  [
    'plain',
    new Map([
      ['trawler', [ride(30), ride(10), ride(20, 300)]],
      ['raw', [ride(25), ride(25), ride(25)]],
    ]),
  ],
  [
    'images',
    new Map([
      ['trawler', [ride(30)]],
      ['raw', [ride(30)]],
    ]),
  ],
]);

describe('figures', () => {
  it('are medians of the rounds', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
    expect(speedOf(rides.get('plain')?.get('trawler'))).toBe(20);
    expect(memoryOf(rides, 'trawler')).toEqual([100, 100]);
  });

  it('are those of the corpus with the lower ratio', () => {
    expect(lowestRatio(rides, 'trawler', 'raw')).toEqual({ ratio: 0.8, corpus: 'plain' });
  });

  it('are not there for who did not take part', () => {
    expect(lowestRatio(rides, 'trawler', 'nobody').ratio).toBeNaN();
    expect(lowestRatio(new Map(), 'trawler', 'raw').ratio).toBeNaN();
  });
});
