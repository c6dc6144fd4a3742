// Which pages Auto gives to the browser.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterCheck,
  afterPage,
  CHECK_EVERY,
  evidenceOf,
  firstLook,
  foundMore,
  type HostKnowledge,
  inheritedKnowledge,
  isWorthTheBrowser,
  UNKNOWN_HOST,
} from '#src/crawler/rendering/render-choice.ts';

const signs = { scripts: 1, textLength: 5_000, hasEmptyRoot: false, asksForScripts: false };
const found = { isIncomplete: false, isEmpty: false, amount: 100 };

describe('evidence', () => {
  it.each([
    ['a page with text and scripts', {}, {}, 'None'],
    ['a page without scripts, whatever it lacks', { scripts: 0, textLength: 0 }, { isIncomplete: true }, 'None'],
    ['a required field that is missing', {}, { isIncomplete: true }, 'Strong'],
    ['an empty root with little around it', { hasEmptyRoot: true, textLength: 1_500 }, {}, 'Strong'],
    ['an empty root on a full page', { hasEmptyRoot: true }, {}, 'None'],
    ['little text and a word about JavaScript', { asksForScripts: true, textLength: 500 }, {}, 'Strong'],
    ['a word about JavaScript on a full page', { asksForScripts: true }, {}, 'None'],
    ['very little text', { textLength: 150 }, {}, 'Weak'],
    ['nothing of what was asked for', {}, { isEmpty: true }, 'Weak'],
  ] as const)('of %s', (_, itsSigns, itsYield, expected) => {
    expect(evidenceOf({ ...signs, ...itsSigns }, { ...found, ...itsYield })).toBe(expected);
  });

  it.each([
    ['a required field', { isIncomplete: false, amount: 1 }, { isIncomplete: true, amount: 0 }, true],
    ['a required field less', { isIncomplete: true, amount: 0 }, { isIncomplete: false, amount: 1 }, false],
    ['much more', { amount: 150 }, {}, true],
    ['hardly more', { amount: 105 }, {}, false],
    ['less', { amount: 10 }, {}, false],
    ['something instead of nothing', { amount: 1 }, { amount: 0 }, true],
    ['nothing either', { amount: 0 }, { amount: 0 }, false],
  ])('of use when the browser finds %s', (_, browser, http, expected) => {
    expect(foundMore({ ...found, ...browser }, { ...found, ...http })).toBe(expected);
  });
});

/** As the database moves it. */
const moved = (need: number, wasNeeded: boolean) => need + (Number(wasNeeded) - need) / 4;

function check(host: HostKnowledge, wasNeeded: boolean): HostKnowledge {
  return afterCheck(host, moved(host.browserNeed, wasNeeded), wasNeeded);
}

/** Crawls pages, all of which show the same; how each was asked for first. */
function crawl(start: HostKnowledge, pages: number, needsBrowser: boolean): [HostKnowledge, string[]] {
  let host = start;
  const looks: string[] = [];
  for (let page = 0; page < pages; page++) {
    const look = firstLook(host);
    const compares = look === 'Both' || (look === 'HTTP' && isWorthTheBrowser(needsBrowser ? 'Strong' : 'None', host));
    looks.push(compares ? 'compared' : look);
    host = afterPage(host);
    if (compares) host = check(host, needsBrowser);
  }
  return [host, looks];
}

describe('a host', () => {
  it('of scripted pages is left to the browser after three, and looked at again every so often', () => {
    const [, looks] = crawl(UNKNOWN_HOST, 60, true);
    expect(looks.slice(0, 4)).toEqual(['compared', 'compared', 'compared', 'Browser']);
    expect(looks.filter((look) => look === 'compared')).toHaveLength(5);
    expect(looks).not.toContain('HTTP');
  });

  it('that has changed to plain pages goes back to HTTP soon after the check that notices', () => {
    const [scripted] = crawl(UNKNOWN_HOST, 30, true);
    const [, looks] = crawl(scripted, 60, false);
    expect(looks.lastIndexOf('Browser')).toBeLessThan(CHECK_EVERY + 12);
    expect(looks.slice(-20)).toEqual(Array(20).fill('HTTP'));
  });

  it('never asks a browser for pages without a sign', () => {
    expect(crawl(UNKNOWN_HOST, 100, false)[1]).toEqual(Array(100).fill('HTTP'));
  });

  it('where the browser finds no more is tried only now and then', () => {
    for (const [evidence, tries] of [
      ['Strong', 10],
      ['Weak', 3],
    ] as const) {
      let host = UNKNOWN_HOST;
      const tried: number[] = [];
      for (let page = 0; page < 60; page++) {
        const isTried = isWorthTheBrowser(evidence, host);
        if (isTried) tried.push(page);
        host = afterPage(host);
        if (isTried) host = check(host, false);
      }
      expect(tried.slice(0, tries)).toEqual(Array.from({ length: tries }, (_, index) => index));
      const gaps = tried.slice(tries).map((page, index) => page - (tried[tries + index - 1] ?? 0));
      expect(gaps).toEqual([CHECK_EVERY + 1, CHECK_EVERY + 1]);
    }
  });

  it('that other workers know is treated as they would, until that is a day old', () => {
    const day = 24 * 60 * 60_000;
    expect(firstLook(inheritedKnowledge({ browserNeed: 0.9, ageMs: 1_000 }))).toBe('Browser');
    expect(firstLook(inheritedKnowledge({ browserNeed: 0.9, ageMs: 2 * day }))).toBe('Both');
    expect(firstLook(inheritedKnowledge({ browserNeed: 0.1, ageMs: 2 * day }))).toBe('HTTP');
  });

  it('follows what its pages show, from wherever it was', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), fc.boolean(), (history, isScripted) => {
        const start = history.reduce((host, wasNeeded) => check(afterPage(host), wasNeeded), UNKNOWN_HOST);
        const [host] = crawl(start, 10 * CHECK_EVERY, isScripted);
        if (isScripted) expect(firstLook(host)).not.toBe('HTTP');
        else expect(firstLook(host)).toBe('HTTP');
      }),
    );
  });
});
