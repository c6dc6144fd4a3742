// A picture of a page as the browser shows it, bounded however large the page makes itself.
import type { Session } from './devtools.ts';

/** In CSS pixels; what lies beyond is cut off. */
const MAX_WIDTH = 1_600;
const MAX_HEIGHT = 10_000;
/** At half the size no picture within these bounds has more, whatever it shows. */
const MAX_BYTES = 16 * 1_048_576;
const JPEG_QUALITY = 80;

/** @returns the file; rejects as the session does */
export async function takeScreenshot(session: Session, format: 'PNG' | 'JPEG'): Promise<Buffer> {
  const { cssContentSize } = await session.send('Page.getLayoutMetrics');
  const width = bounded(cssContentSize.width, MAX_WIDTH);
  const height = bounded(cssContentSize.height, MAX_HEIGHT);

  async function capture(scale: number): Promise<Buffer> {
    const { data } = await session.send('Page.captureScreenshot', {
      ...(format === 'PNG' ? { format: 'png' } : { format: 'jpeg', quality: JPEG_QUALITY }),
      clip: { x: 0, y: 0, width, height, scale },
      captureBeyondViewport: true,
    });
    return Buffer.from(data, 'base64');
  }

  const picture = await capture(1);
  return picture.length > MAX_BYTES ? capture(0.5) : picture;
}

function bounded(pixels: number, most: number): number {
  return Math.min(Math.max(Math.ceil(pixels), 1), most);
}
