// Whether Chromium's own sandbox works where this worker runs: asked once, before the first page, so that a node that
// refuses it is named in one sentence, and not by every page.
import { launchChromium } from './chromium.ts';

/** What Chromium says when it cannot shut its pages in. */
const REFUSED = /No usable sandbox|Running as root without --no-sandbox|zygote_host|clone\(\) failed/i;

/** Nothing listens there: the browser that only starts asks for nothing. */
const NO_PROXY_PORT = 9;

/**
 * Starts a browser in its sandbox and ends it again. The reason when the sandbox is refused; rejects when the browser
 * does not start for another one.
 */
export async function sandboxTrouble(executablePath: string): Promise<string | undefined> {
  try {
    const chromium = await launchChromium({
      executablePath,
      userAgent: '',
      proxyPort: NO_PROXY_PORT,
      blocked: [],
      sandbox: true,
    });
    await chromium.close();
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (!REFUSED.test(text)) throw error;
    return "the node refuses the namespaces that Chromium's sandbox is made of";
  }
}
