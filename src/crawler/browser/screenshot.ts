// A picture of a page as the browser shows it, bounded however large the page makes itself.
import type { Session } from './devtools.ts';

/** In CSS pixels; what lies beyond is cut off. */
const MAX_WIDTH = 1_600;
const MAX_HEIGHT = 10_000;
/** At half the size no picture within these bounds has more, whatever it shows. */
const MAX_BYTES = 16 * 1_048_576;
const JPEG_QUALITY = 80;

/** How long the browser may take for it: a page may answer the change of its size with a script that does not end. */
const LONGEST_MS = 10_000;
/** The same, of a page whose time is over. */
const LEAST_MS = 1_500;

/** `isCut`: the page is larger than its picture. */
export type Screenshot = { readonly picture: Buffer; readonly isCut: boolean } | { readonly error: string };

/**
 * The picture, or why the browser cannot take it: the page itself has been read all the same.
 * @param hurry when the page's time is nearly over
 */
export async function takeScreenshot(
  session: Session,
  format: 'PNG' | 'JPEG',
  hurry: AbortSignal,
): Promise<Screenshot> {
  const limit = new AbortController();
  const longest = setTimeout(() => limit.abort(), hurry.aborted ? LEAST_MS : LONGEST_MS);
  const signal = hurry.aborted ? limit.signal : AbortSignal.any([limit.signal, hurry]);
  const { promise: tooLate, resolve } = Promise.withResolvers<Screenshot>();
  signal.addEventListener('abort', () => resolve({ error: 'the browser did not take it in time' }), { once: true });
  try {
    return await Promise.race([tooLate, pictureOf(session, format)]);
  } finally {
    clearTimeout(longest);
  }
}

function pictureOf(session: Session, format: 'PNG' | 'JPEG'): Promise<Screenshot> {
  return capturePage(session, format).catch((error: unknown) => ({
    error: (error instanceof Error ? error.message : String(error)).slice(0, 300),
  }));
}

async function capturePage(session: Session, format: 'PNG' | 'JPEG'): Promise<Screenshot> {
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

  const isCut = cssContentSize.width > MAX_WIDTH || cssContentSize.height > MAX_HEIGHT;
  const picture = await capture(1);
  return { picture: picture.length > MAX_BYTES ? await capture(0.5) : picture, isCut };
}

function bounded(pixels: number, most: number): number {
  return Math.min(Math.max(Math.ceil(pixels), 1), most);
}
