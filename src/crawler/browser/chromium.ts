// One Chromium process: found, started with switches that keep it behind the guard proxy, and ended for certain.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, CDPSession } from 'playwright';
import type { BrowserCookie, CookieToSet } from './browser-cookies.ts';
import { createDevtools, type Devtools, type Session } from './devtools.ts';
import { type BlockedResource, blockingSettings, blockingSwitches } from './resource-blocking.ts';

const LAUNCH_TIMEOUT_MS = 30_000;
/** How long a browser may take to close before it is killed. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Debian's headless shell by itself first: the script in /usr/bin would stay between us and it. */
const USUAL_PATHS = [
  '/usr/lib/chromium/chromium-headless-shell',
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
];

/** The headless shell where there is one: it starts and renders faster than the whole browser. */
export function findChromium(): string | undefined {
  return USUAL_PATHS.find((path) => existsSync(path));
}

export type Chromium = {
  readonly version: string;
  /** Opens a tab. All tabs are one visitor: they share cookies, storage, cache and connections. */
  readonly openTab: () => Promise<ChromiumTab>;
  /** Those that its tabs have. Rejects when the browser does not answer any more. */
  readonly cookies: () => Promise<readonly BrowserCookie[]>;
  /** Adds cookies to those that its tabs have; what Chromium refuses is left out. */
  readonly setCookies: (cookies: readonly CookieToSet[]) => Promise<void>;
  /** Resolves when it is of no more use, before what waits for its answers is rejected. */
  readonly gone: Promise<void>;
  /** Closes it, by force if need be. Never rejects. */
  readonly close: () => Promise<void>;
  /** Ends it and all its processes at once, whatever they do. */
  readonly kill: () => void;
};

export type ChromiumTab = {
  readonly session: Session;
  /** Also the name of its main frame. */
  readonly targetId: string;
  /** Rejects when the browser does not answer any more. */
  readonly close: () => Promise<void>;
};

export async function launchChromium(options: {
  /** False: whatever certificate a server shows is taken. */
  readonly verifiesCertificates?: boolean;
  /** A home folder of its own, where it has one. */
  readonly home?: string;
  readonly executablePath: string;
  readonly userAgent: string;
  /** Of the guard proxy on loopback. */
  readonly proxyPort: number;
  readonly blocked: readonly BlockedResource[];
  /** Whether Chromium shuts its pages in by itself, too. */
  readonly sandbox: boolean;
}): Promise<Chromium> {
  // Only now, since runs without a browser start sooner and smaller without its code.
  const { chromium } = await import('playwright');
  const browser = await chromium.launch({
    executablePath: options.executablePath,
    headless: true,
    // A container can give Chromium the namespaces of its own sandbox only with a seccomp profile that lets it.
    chromiumSandbox: options.sandbox,
    // The worker decides when a signal ends the browser: pages under way are finished first.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: LAUNCH_TIMEOUT_MS,
    env: { ...childEnvironment(), ...(options.home === undefined ? {} : { HOME: options.home }) },
    args: [
      `--user-agent=${options.userAgent}`,
      // Pop-ups: what they would show is found by their links.
      '--block-new-web-contents',
      ...(options.verifiesCertificates === false ? ['--ignore-certificate-errors'] : []),
      ...guardSwitches(options.proxyPort),
      ...renderingSwitches(options.blocked),
    ],
  });
  const channel = await browser.newBrowserCDPSession();
  const devtools = createDevtools(channel);
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  browser.once('disconnected', () => {
    resolve();
    devtools.disconnect();
  });
  const processId = await browserProcessId(channel);
  const kill = () => killGroup(processId);
  const { browserContextId } = await channel.send('Target.createBrowserContext', { disposeOnDetach: true });
  await channel.send('Browser.setDownloadBehavior', { behavior: 'deny', browserContextId });
  return {
    version: browser.version(),
    openTab: () => openTab(channel, devtools, browserContextId),
    cookies: async () => (await channel.send('Storage.getCookies', { browserContextId })).cookies,
    setCookies: (cookies) => setCookies(channel, browserContextId, cookies),
    gone,
    kill,
    close: () => closeBrowser(browser, kill),
  };
}

async function openTab(channel: CDPSession, devtools: Devtools, browserContextId: string): Promise<ChromiumTab> {
  const { targetId } = await channel.send('Target.createTarget', { url: 'about:blank', browserContextId });
  return {
    session: await devtools.attach(targetId),
    targetId,
    async close() {
      await channel.send('Target.closeTarget', { targetId });
    },
  };
}

/** One cookie that Chromium does not take makes it refuse them all: then they are set one by one. */
async function setCookies(
  channel: CDPSession,
  browserContextId: string,
  cookies: readonly CookieToSet[],
): Promise<void> {
  if (cookies.length === 0) return;
  const set = (some: readonly CookieToSet[]) =>
    channel.send('Storage.setCookies', { browserContextId, cookies: [...some] });
  await set(cookies).catch(() => Promise.allSettled(cookies.map((cookie) => set([cookie]))));
}

function guardSwitches(proxyPort: number): string[] {
  return [
    `--proxy-server=http://127.0.0.1:${proxyPort}`,
    // Loopback and link-local addresses go through the proxy, too, and are refused there.
    '--proxy-bypass-list=<-loopback>',
    // Whatever would still look a name up by itself finds nothing.
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
    '--disable-quic',
    '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
    '--webrtc-ip-handling-policy=disable_non_proxied_udp',
    '--dns-prefetch-disable',
  ];
}

/** How pages are shown, which is to nobody. */
export function renderingSwitches(blocked: readonly BlockedResource[]): string[] {
  return [
    // Frames of other sites share their page's process and DevTools session: what is blocked there is blocked in them,
    // too. Without Chromium's sandbox a process of their own would protect nothing.
    '--disable-site-isolation-trials',
    // Chromium's own warning would be a part of pages that an XSLT stylesheet makes, with links of its own.
    '--disable-blink-features=GenerateXSLTWarningBanner',
    '--window-size=1280,720',
    '--mute-audio',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    // A page that names no encoding is UTF-8 where nothing speaks for another one; by default it would be windows-1252.
    `--blink-settings=${['defaultTextEncodingName=UTF-8', ...blockingSettings(blocked)].join(',')}`,
    ...blockingSwitches(blocked),
  ];
}

/** Chromium and what runs in it get nothing of the worker's environment but this. */
function childEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'FONTCONFIG_PATH'];
  const kept = names.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

async function browserProcessId(channel: CDPSession): Promise<number> {
  const { processInfo } = await channel.send('SystemInfo.getProcessInfo');
  const process = processInfo.find(({ type }) => type === 'browser');
  if (process === undefined) throw new Error('the browser does not name its process');
  return process.id;
}

async function closeBrowser(browser: Browser, kill: () => void): Promise<void> {
  const closed = browser.close().then(
    () => true,
    () => !browser.isConnected(),
  );
  const inTime = await Promise.race([closed, sleep(CLOSE_TIMEOUT_MS, false)]);
  if (!inTime) kill();
}

/** Playwright starts it as the leader of a group: a stopped browser's children would not notice that it is gone. */
function killGroup(processId: number): void {
  try {
    process.kill(-processId, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
