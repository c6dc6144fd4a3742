import { describe, expect, it } from 'vitest';
import { blockEvidence, CHALLENGE_SIGNS } from '#src/crawler/blocking/blocked.ts';
import { createHostHistory } from '#src/crawler/blocking/host-history.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';

const { plan } = createExtraction(undefined);
const evidenceOf = (status: number, body: string, headers: Record<string, string> = {}) =>
  blockEvidence({ status, headers, page: readHtml(body, plan) });

const long = 'A sentence of an article about captchas and how sites deny access to robots. '.repeat(30);
const widget = '<div class="g-recaptcha" data-sitekey="x"></div>';

describe('a refusal', () => {
  it.each([
    ['Cloudflare by header', 403, '', { 'cf-mitigated': 'challenge' }, 'Cloudflare'],
    ['Cloudflare by form', 503, '<title>Just a moment...</title><form id="challenge-form"></form>', {}, 'Cloudflare'],
    ['Cloudflare by title', 403, '<title>Just a moment...</title>Enable JavaScript and cookies', {}, 'Just a moment'],
    ['a Cloudflare ban', 403, '<div id="cf-error-details">Error 1020: Access denied</div>', {}, 'Cloudflare block'],
    ['AWS WAF, which answers 202', 202, '<title></title>', { 'x-amzn-waf-action': 'challenge' }, 'AWS WAF'],
    ['Vercel', 403, '<title>Denied</title>', { 'x-vercel-mitigated': 'deny' }, 'Vercel'],
    ['DataDome', 403, '<iframe src="https://geo.captcha-delivery.com/captcha/?x=1"></iframe>', {}, 'DataDome'],
    [
      'DataDome with a good status',
      200,
      '<script src="https://ct.captcha-delivery.com/c.js"></script>',
      {},
      'DataDome',
    ],
    ['HUMAN', 403, '<title>Access to this page has been denied.</title><div id="px-captcha"></div>', {}, 'PerimeterX'],
    [
      'Imperva with a good status',
      200,
      '<iframe id="main-iframe" src="/_Incapsula_Resource?x=1">Request unsuccessful.</iframe>',
      {},
      'Imperva',
    ],
    ['Imperva by text', 403, 'Request unsuccessful. Incapsula incident ID: 1170-42', {}, 'Imperva'],
    [
      'F5 with a good status',
      200,
      'The requested URL was rejected. Please consult with your administrator.<br><br>Your support ID is: 123456',
      {},
      'F5',
    ],
    [
      'Akamai',
      403,
      `<title>Access Denied</title>You don't have permission to access "http&#58;&#47;&#47;x" on this server.<p>Reference #18.2d35`,
      {},
      'Akamai',
    ],
    [
      'Anubis',
      200,
      '<title>Making sure</title><script id="anubis_challenge" type="application/json">{}</script>',
      {},
      'Anubis',
    ],
    ['a captcha with a good status', 200, `<title>Robot check</title>${widget}`, {}, 'captcha'],
    ['a captcha with 403', 403, `<title>example.com</title>Prove it.${widget}`, {}, 'captcha'],
    [
      "a shop's own captcha with a good status",
      200,
      `<title>Shop.example</title><h4>Enter the characters you see below</h4><p>Sorry, we just need to make sure you're not a robot.</p>
       <form action="/errors/validateCaptcha"><img src="/captcha/x.jpg"><input name=field-keywords></form><a href=/help>Help</a>`,
      {},
      'captcha in place of the page',
    ],
    [
      'a captcha in German',
      200,
      `<title>shop</title>Bitte bestätigen Sie, dass Sie kein Roboter sind.${widget}`,
      {},
      'captcha in place of the page',
    ],
    [
      'a captcha about traffic',
      200,
      `<title>shop</title>Our systems have detected unusual traffic from your network.${widget}`,
      {},
      'captcha in place of the page',
    ],
    [
      'Cloudflare by its script',
      200,
      '<title>x</title><script src="/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1?ray=1"></script>',
      {},
      'Cloudflare',
    ],
    ['a Google captcha', 429, '<title>x</title><form id=captcha-form action=index></form>', {}, 'Google'],
    ['a challenge page of nobody', 429, '<title>Verify you are human</title>', {}, 'challenge'],
  ])('is recognised: %s', (_, status, body, headers, evidence) => {
    expect(evidenceOf(status, body, headers as Record<string, string>)).toContain(evidence);
  });
});

describe('no refusal', () => {
  it.each([
    ['a page that speaks of captchas', 200, `<title>Captcha</title><h1>How captchas work</h1>${long}`],
    ['an article about a challenge, with its title', 200, `<title>Just a moment...</title>${long}`],
    ['a poem of that title', 200, '<title>Just a moment...</title>Stay.'],
    ['a login form with a captcha', 200, `<title>Log in</title><form><input name=user>${widget}</form>`],
    ['a contact page that asks for a proof', 200, `<title>Contact</title>Security check${widget}`],
    ['a long page with a captcha and a challenge for its title', 200, `<title>Security check</title>${long}${widget}`],
    ['a game with a challenge form', 200, '<title>30 day challenge</title><form id="challenge-form">Join</form>'],
    ['a page that runs a challenge', 200, '<title>Run</title><div id="challenge-running">5 km</div>'],
    ['a form with an id of that name', 200, '<title>x</title><form id=captcha-form action=/index.php></form>'],
    [
      'a contact form that asks for a proof',
      200,
      `<title>Contact</title><form>Your message <textarea></textarea>I am not a robot${widget}</form>`,
    ],
    ['a newsletter with a captcha', 200, `<form>News <input type=email>Prove you are human${widget}</form>`],
    ['a poem about robots', 200, '<title>Poem</title>I am not a robot.'],
    ['a forbidden folder', 403, '<title>403 Forbidden</title><h1>Forbidden</h1>'],
    ['a page for members', 403, '<title>Access denied | Club</title>Log in to read on.'],
    ['a page of maintenance', 503, '<title>Be right back</title>We are working on it.'],
    ['maintenance with a form', 503, `<title>Be right back</title>Tell me when.${widget}`],
    ['an origin that is down behind Cloudflare', 522, '<div id="cf-error-details">Error 522</div>'],
    [
      'a page behind Cloudflare',
      200,
      '<title>x</title><script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>',
    ],
    ['a bare 429', 429, ''],
    ['an empty page', 200, ''],
    [
      'an answer to a question about a refusal',
      200,
      `<title>How to get around "Request unsuccessful"</title>${long} Request unsuccessful. Incapsula incident ID: 1170-42`,
    ],
  ])('is seen in %s', (_, status, body) => {
    expect(evidenceOf(status, body)).toBeUndefined();
  });

  it('is seen without a page', () => {
    expect(blockEvidence({ status: 403, headers: {} })).toBeUndefined();
  });
});

it('looks for signs in documents with little text alone, however much space is in them', () => {
  const sign = '<div id="px-captcha"></div>';
  expect(readHtml(`${' \n'.repeat(5_000)}few words ${sign}`, plan).signs).toEqual(['#px-captcha']);
  expect(readHtml(long + sign, plan).signs).toEqual([]);
  expect(CHALLENGE_SIGNS).toContain('#px-captcha');
});

describe('the history of a host', () => {
  const shell = readHtml('<body><div id=root></div><script src=x.js></script>', plan);
  const page = readHtml('<h1>Hello</h1>', plan);

  it('takes an empty page for a shell once enough pages had content', () => {
    const history = createHostHistory();
    expect(history.emptyShell('a', shell)).toBeUndefined();
    for (let count = 0; count < 5; count++) expect(history.emptyShell('a', page)).toBeUndefined();
    expect(history.emptyShell('a', shell)).toContain('after 5 pages');
    expect(history.emptyShell('b', shell)).toBeUndefined();
  });

  it.each(['<title>Map</title>', '<img src=x>', '<a href="/x"></a>', '<iframe src=x></iframe>', 'text'])(
    'does not take %s for empty',
    (body) => {
      const history = createHostHistory();
      for (let count = 0; count < 9; count++) history.emptyShell('a', page);
      expect(history.emptyShell('a', readHtml(body, plan))).toBeUndefined();
    },
  );

  it('takes 403 for a refusal when a host that gave pages forbids five in a row', () => {
    const history = createHostHistory();
    for (let count = 0; count < 9; count++) expect(history.forbidden('a')).toBeUndefined();
    for (let count = 0; count < 5; count++) history.emptyShell('a', page);
    for (let count = 0; count < 4; count++) expect(history.forbidden('a')).toBeUndefined();
    expect(history.forbidden('a')).toContain('the last 5 pages');
    history.emptyShell('a', page);
    expect(history.forbidden('a')).toBeUndefined();
  });
});
