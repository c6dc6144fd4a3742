// What keeps a page from being loaded: by Chromium's list of its resources, at two looks.
import { describe, expect, it } from 'vitest';
import type { Session } from '#src/crawler/browser/devtools.ts';
import type { PageActivity } from '#src/crawler/browser/page-activity.ts';
import { pendingIn, unansweredIn, whatHangs } from '#src/crawler/browser/what-hangs.ts';

const url = new URL('http://a.example/page');
const resource = (name: string, type: string, more: object = {}) =>
  ({ url: name, type, mimeType: '', contentSize: 0, ...more }) as never;
const activity = { unanswered: () => ['xhr'], unansweredFrames: () => ['frame'] } as unknown as PageActivity;

describe('a resource', () => {
  it.each(['Script', 'Stylesheet', 'Image', 'Font', 'Media'])('is unanswered without a type: %s', (type) => {
    expect(pendingIn({ resources: [resource('a', type)] })).toEqual(['a']);
  });

  it.each<[string, string, object]>([
    ['was answered', 'Script', { mimeType: 'text/javascript' }],
    ['has failed', 'Script', { failed: true }],
    ['was given up', 'Image', { canceled: true }],
    ['is asked for by a script', 'Fetch', {}],
    ['is asked for by a script', 'XHR', {}],
    ['is a stream', 'EventSource', {}],
  ])('is not when it %s', (_, type, more) => {
    expect(pendingIn({ resources: [resource('a', type, more)] })).toEqual([]);
  });

  it('may be one of a frame', () => {
    const frame = { resources: [resource('b', 'Script')] };
    expect(pendingIn({ resources: [], childFrames: [{ resources: [], childFrames: [frame] }] })).toEqual(['b']);
  });
});

describe('a page', () => {
  const answering = (shown: string) =>
    ({
      send: async () => ({ frameTree: { frame: { url: shown }, resources: [resource('a', 'Script')] } }),
    }) as unknown as Session;

  it('waits for its resources and frames', async () => {
    expect(await unansweredIn(answering('http://a.example/page#x'), activity, url)).toEqual(['a', 'frame']);
  });

  it('that is not shown yet waits for nothing', async () => {
    expect(await unansweredIn(answering('http://a.example/before'), activity, url)).toEqual([]);
  });

  it('that stands still waits for what its script asked for', async () => {
    const silent = { send: () => new Promise(() => {}) } as unknown as Session;
    expect(await unansweredIn(silent, activity, url)).toEqual(['xhr']);
  });
});

describe('what hangs', () => {
  const never = new AbortController().signal;
  const looks = (...seen: string[][]) => {
    const left = [...seen];
    return async () => left.shift() ?? [];
  };
  const patience = { firstLookMs: 1, lastLookMs: 2 };

  it('is what is unanswered at both looks', async () => {
    expect(await whatHangs(looks(['a', 'b'], ['b', 'c']), patience, never)).toEqual(['b']);
    expect(await whatHangs(looks([], ['a']), patience, never)).toEqual([]);
  });

  it('is nothing of a page that is done with', async () => {
    await expect(whatHangs(looks(['a'], ['a']), patience, AbortSignal.abort())).rejects.toThrow();
  });
});
