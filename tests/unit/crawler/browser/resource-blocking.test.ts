// Which switches and patterns keep which resources from being loaded.
import { describe, expect, it } from 'vitest';
import { blockingPatterns, blockingSwitches } from '#src/crawler/browser/resource-blocking.ts';

describe('blocked resources', () => {
  it('cost nothing when there are none', () => {
    expect(blockingSwitches([])).toEqual([]);
    expect(blockingPatterns([])).toEqual([]);
  });

  it('are switched off where Chromium can, and caught by type where it cannot', () => {
    expect(blockingSwitches(['Images', 'Media'])).toEqual(['--blink-settings=imagesEnabled=false']);
    expect(blockingPatterns(['Images', 'Media'])).toEqual([{ resourceType: 'Image' }, { resourceType: 'Media' }]);
  });

  it('include advertisers with their subdomains, and no other host that ends alike', () => {
    const patterns = blockingPatterns(['Ads']).map(({ urlPattern }) => urlPattern);
    expect(patterns).toContain('*://doubleclick.net/*');
    expect(patterns).toContain('*://*.doubleclick.net/*');
    expect(patterns.every((pattern) => pattern?.startsWith('*://'))).toBe(true);
  });
});
