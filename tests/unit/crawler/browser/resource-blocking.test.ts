// Which switches and patterns keep which resources from being loaded.
import { describe, expect, it } from 'vitest';
import { blockingSettings, blockingSwitches, createBlocking } from '#src/crawler/browser/resource-blocking.ts';

describe('blocked resources', () => {
  it('cost nothing when there are none', () => {
    expect([...blockingSwitches([]), ...blockingSettings([])]).toEqual([]);
    expect(createBlocking([]).patterns).toEqual([]);
  });

  it('are switched off where Chromium can, and caught by type where it cannot', () => {
    expect(blockingSwitches(['Images', 'Fonts', 'Media'])).toEqual(['--disable-remote-fonts']);
    expect(blockingSettings(['Images', 'Fonts', 'Media'])).toEqual(['imagesEnabled=false']);
    expect(createBlocking(['Images', 'Media']).patterns).toEqual([
      { resourceType: 'Image' },
      { resourceType: 'Media' },
    ]);
  });

  it('include advertisers with their subdomains, and no other host that ends alike', () => {
    const ads = createBlocking(['Ads']);
    const patterns = ads.patterns.map(({ urlPattern }) => urlPattern);
    expect(patterns).toContain('*://doubleclick.net/*');
    expect(patterns).toContain('*://*.doubleclick.net/*');
    expect(ads.forbids('https://doubleclick.net/x')).toBe(true);
    expect(ads.forbids('http://stats.g.doubleclick.net:8080/')).toBe(true);
    expect(ads.forbids('https://notdoubleclick.net/doubleclick.net')).toBe(false);
    expect(createBlocking(['Images']).forbids('https://doubleclick.net/')).toBe(false);
  });
});
