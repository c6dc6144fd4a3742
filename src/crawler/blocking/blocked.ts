// Whether an answer is the refusal of a guard in front of a site rather than its page. A refusal taken for a page costs
// a wrong item; a page taken for a refusal slows a whole host down. So what ordinary pages carry too, such as a captcha
// beside a form or the word for it, is never enough alone.
import type { Failure } from '../failure.ts';
import type { RawPage } from '../html/raw-page.ts';

export type Answered = {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** What the body shows; absent when it was not read. */
  readonly page?: Pick<RawPage, 'title' | 'beginning' | 'signs'>;
};

/** Statuses with which guards answer. The body of such an answer is read to find out. */
const REFUSING_STATUSES = [403, 405, 429, 503];

export function isRefusing(status: number): boolean {
  return REFUSING_STATUSES.includes(status);
}

/** Headers that the vendors document as the mark of an answer that is not the site's. */
const REFUSAL_HEADERS: readonly (readonly [name: string, value: RegExp, vendor: string])[] = [
  ['cf-mitigated', /^challenge$/i, 'a Cloudflare challenge'],
  ['x-amzn-waf-action', /^(challenge|captcha)$/i, 'an AWS WAF challenge'],
  ['x-vercel-mitigated', /^(challenge|deny)$/i, 'a Vercel challenge'],
];

/** Elements that only a challenge has. */
const CERTAIN_SIGNS: Readonly<Record<string, string>> = {
  'form#challenge-form[action*="__cf_chl"], script[src*="/cdn-cgi/challenge-platform/"][src*="/orchestrate/"]':
    'a Cloudflare challenge',
  'script[src*="captcha-delivery.com/"], iframe[src*="captcha-delivery.com/"]': 'a DataDome challenge',
  '#px-captcha': 'a HUMAN (PerimeterX) challenge',
  'iframe[src*="_Incapsula_Resource"]': 'an Imperva challenge',
  'script#anubis_challenge': 'an Anubis challenge',
};

/** Elements with names that other sites give as well: they count with a refusing status or a challenge's title. */
const LIKELY_SIGNS: Readonly<Record<string, string>> = {
  '#challenge-running, #challenge-form, #challenge-error-text': 'a Cloudflare challenge',
  'form#captcha-form[action*="index"]': 'a Google captcha',
};

/** Elements of a refusal that pages of errors have as well: they count with status 403. */
const FORBIDDING_SIGNS: Readonly<Record<string, string>> = {
  '#cf-error-details': 'a Cloudflare block',
};

/** Widgets of ordinary forms as well: they count only with a challenge's title, or with status 403 or 429. */
const CAPTCHA_SIGN =
  '.g-recaptcha, .h-captcha, .cf-turnstile, iframe[src*="/recaptcha/"], iframe[src*="hcaptcha.com/"], img[src*="captcha" i], input[name*="captcha" i], form[action*="captcha" i]';

/** What forms ask people for: a captcha beside it guards that form. */
const FORM_SIGN = 'textarea, select, input[type="password" i], input[type="email" i], input[type="tel" i]';

/** What a page says that is nothing but a captcha. */
const HUMAN_TEXTS =
  /\b(not|aren't|are not) a (ro)?bot\b|\brobot or human\b|\b(you are|you're|are you) (a )?human\b|\bunusual (traffic|activity)\b|\bautomated (requests|queries|access|traffic)\b|\b(prove|confirm|verify) (that )?you('re| are) (a )?(human|person|real)\b|\bkein (ro)?bot\b|\bkein roboter\b|\bpas un robot\b|\bno (eres|es usted|soy) un robot\b|\bnão é um robô\b|\bnon sei un robot\b|\bgeen robot\b|не робот|ロボットではない|不是机器人|不是機器人/iu;

/** Selectors for the plan of a page. */
export const CHALLENGE_SIGNS: readonly string[] = [
  ...Object.keys(CERTAIN_SIGNS),
  ...Object.keys(FORBIDDING_SIGNS),
  ...Object.keys(LIKELY_SIGNS),
  CAPTCHA_SIGN,
  FORM_SIGN,
];

/** Whole titles of challenges; they count with a refusing status or a captcha. */
const CHALLENGE_TITLES: readonly RegExp[] = [
  /^just a moment\s?(\.{3}|…)$/i,
  /^attention required! \| cloudflare$/i,
  /^access to this page has been denied\.?$/i,
  /^pardon our interruption\s?(\.{3}|…)?$/i,
  /^ddos-guard$/i,
  /^(are you (a )?(human|robot)\??|robot or human\??|robot check)$/i,
  /^(please )?verify (that )?you are (a )?human\.?$/i,
  /^(human|bot|browser|security) (verification|check|challenge)$/i,
  /^(checking your browser|one more step)\b.{0,40}$/i,
  /^captcha( (required|challenge|page))?$/i,
];

/** Sentences that only the refusals of a vendor contain, each with a number to quote to the site's owner. */
const REFUSAL_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/Request unsuccessful\. Incapsula incident ID: [\d-]+/, 'an Imperva block'],
  [
    /The requested URL was rejected\. Please consult with your administrator\..{0,40}support ID is:? ?<?\d+/i,
    'an F5 block',
  ],
  [/You don't have permission to access .{0,300} on this server\..{0,20}Reference #[\da-f.]+/i, 'an Akamai block'],
  [/Sucuri WebSite Firewall.{0,40}Access Denied/i, 'a Sucuri block'],
];

/** A longer text is an article about refusals. */
const MAX_REFUSAL_LENGTH = 700;

/** The evidence of a refusal, as a text for people; undefined when there is none. */
export function blockEvidence({ status, headers, page }: Answered): string | undefined {
  const byHeader = REFUSAL_HEADERS.find(([name, value]) => value.test(String(headers[name] ?? '')));
  if (byHeader !== undefined) return `${byHeader[2]} (status ${status}, header ${byHeader[0]})`;
  if (page === undefined) return undefined;
  const { title, beginning, signs } = page;
  const where = `status ${status}, title "${title.slice(0, 80)}"`;
  const sign = signs.find((found) => found in CERTAIN_SIGNS || (status === 403 && found in FORBIDDING_SIGNS));
  if (sign !== undefined) return `${CERTAIN_SIGNS[sign] ?? FORBIDDING_SIGNS[sign]} (${where})`;
  const isBrief = beginning.length <= MAX_REFUSAL_LENGTH;
  const text = isBrief ? REFUSAL_TEXTS.find(([pattern]) => pattern.test(beginning)) : undefined;
  if (text !== undefined) return `${text[1]} (${where})`;
  const isChallenge = CHALLENGE_TITLES.some((pattern) => pattern.test(title));
  const likely = isChallenge || isRefusing(status) ? signs.find((found) => found in LIKELY_SIGNS) : undefined;
  if (likely !== undefined) return `${LIKELY_SIGNS[likely]} (${where})`;
  const hasCaptcha = signs.includes(CAPTCHA_SIGN);
  const isCaptchaAlone = hasCaptcha && isBrief && !signs.includes(FORM_SIGN);
  if (isCaptchaAlone && HUMAN_TEXTS.test(beginning)) return `a captcha in place of the page (${where})`;
  if (hasCaptcha && (isChallenge || status === 403 || status === 429)) return `a captcha (${where})`;
  if (isChallenge && isRefusing(status)) return `a challenge (${where})`;
  return undefined;
}

/** @param retryAfterMs what the answer itself asks for, if it does */
export function blockedBy(evidence: string, retryAfterMs?: number): Failure {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return { cause: 'Blocked', message: `the host refuses the crawl: ${evidence}`, retryable: true, ...wait };
}
