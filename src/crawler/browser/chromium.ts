// One Chromium process: found, started with switches that keep it behind the guard proxy, and ended for certain.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright-core';
import { type BlockedResource, blockingSwitches } from './resource-blocking.ts';

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
  readonly browser: Browser;
  /** Closes it, by force if need be. Never rejects. */
  readonly close: () => Promise<void>;
  /** Ends it and all its processes at once, whatever they do. */
  readonly kill: () => void;
};

/**
 * @param proxyPort of the guard proxy on loopback
 * @param sandbox whether Chromium shuts its pages in by itself, too
 */
export async function launchChromium(
  executablePath: string,
  proxyPort: number,
  blocked: readonly BlockedResource[],
  sandbox: boolean,
): Promise<Chromium> {
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    // A container can give Chromium the namespaces of its own sandbox only with a seccomp profile that lets it.
    chromiumSandbox: sandbox,
    // The worker decides when a signal ends the browser: pages under way are finished first.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: LAUNCH_TIMEOUT_MS,
    env: childEnvironment(),
    args: [...guardSwitches(proxyPort), ...renderingSwitches(blocked)],
  });
  const processId = await browserProcessId(browser);
  const kill = () => killGroup(processId);
  return { browser, kill, close: () => closeBrowser(browser, kill) };
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
    '--mute-audio',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    ...blockingSwitches(blocked),
  ];
}

/** Chromium and what runs in it get nothing of the worker's environment but this. */
function childEnvironment(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'FONTCONFIG_PATH'];
  const kept = names.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(kept.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

async function browserProcessId(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
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
