// robots.txt by RFC 9309; the cases are those of Google's parser, the RFC's own examples and what other parsers got wrong.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compileRules,
  crawlDelayMs,
  MAX_ROBOTS_BYTES,
  productToken,
  rulesFromResponse,
  sitemapsOf,
} from '#src/crawler/discovery/robots.ts';
import { normaliseUrl } from '#src/crawler/urls/url.ts';

const AGENT = 'Trawler/0.1 (+https://trawler.dev)';

function rulesOf(body: string | Buffer, status = 200) {
  return rulesFromResponse(status, Buffer.from(body));
}

function allowed(body: string | Buffer, path: string, agent = AGENT, status = 200): boolean {
  const url = normaliseUrl(path, 'http://foo.example/');
  if (url === undefined) throw new Error(`${path} is no URL`);
  return compileRules(rulesOf(body, status), agent)(url);
}

describe('robots.txt by its status', () => {
  it.each([
    [404, 'allow'],
    [403, 'allow'],
    [401, 'allow'],
    [301, 'allow'],
    [429, 'disallow'],
    [500, 'disallow'],
    [503, 'disallow'],
  ])('%i means %s', (status, verdict) => {
    expect(rulesOf('User-agent: *\nDisallow: /', status).verdict).toBe(verdict);
    expect(allowed('', '/x', AGENT, status)).toBe(verdict === 'allow');
  });
});

const GROUPS = `allow: /foo/bar/

user-agent: FooBot
disallow: /
allow: /x/
user-agent: BarBot
disallow: /
allow: /y/


allow: /w/
user-agent: BazBot

user-agent: FooBot
allow: /z/
disallow: /`;

type Verdicts = { readonly yes?: readonly string[]; readonly no?: readonly string[] };

describe('groups of robots.txt', () => {
  it.each<[name: string, body: string, agent: string, Verdicts]>([
    ['with a colon', 'user-agent: FooBot\ndisallow: /', 'FooBot', { no: ['/x/y'] }],
    ['with keys of no meaning', 'foo: FooBot\nbar: /', 'FooBot', { yes: ['/x/y'] }],
    ['without colons', 'user-agent FooBot\ndisallow /', 'FooBot', { no: ['/x/y'] }],
    ['without a colon between more than two words', 'user-agent: *\ndisallow / x', 'FooBot', { yes: ['/x'] }],
    ['several of one agent', GROUPS, 'FooBot', { yes: ['/x/b', '/z/d'], no: ['/y/c', '/foo/bar/'] }],
    ['with empty lines', GROUPS, 'BarBot', { yes: ['/y/c', '/w/a'], no: ['/z/d', '/foo/bar/'] }],
    ['of several agents', GROUPS, 'BazBot', { yes: ['/z/d'], no: ['/foo/bar/', '/x/b'] }],
    [
      'that a sitemap does not end',
      'User-agent: BarBot\nSitemap: http://a/\nUser-agent: *\nDisallow: /',
      'BarBot',
      { no: ['/'] },
    ],
    [
      'that an unknown line does not end',
      'User-agent: FooBot\nUnknown: x\nUser-agent: *\nDisallow: /',
      'FooBot',
      { no: ['/'] },
    ],
    ['with keys in capitals', 'USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /', 'FooBot', { yes: ['/x/y'], no: ['/a/b'] }],
    ['with agents in capitals', 'User-Agent: FOO BAR\nAllow: /x/\nDisallow: /', 'foo', { yes: ['/x/y'], no: ['/a/b'] }],
    [
      'up to what no token has',
      'User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /',
      'Foo',
      { yes: ['/x/y'] },
    ],
    ['with a version', 'User-agent: Foo/2.1\nDisallow: /', 'foo/1.0', { no: ['/x'] }],
    ['of another agent that begins alike', 'User-agent: FooBot-News\nDisallow: /', 'FooBot', { yes: ['/x'] }],
    ['of none', '', 'FooBot', { yes: ['/x/y'] }],
    ['of everybody', 'user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /', 'BarBot', { yes: ['/x/y'] }],
    [
      'of the agent before everybody',
      'user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /',
      'FooBot',
      { no: ['/x/y'] },
    ],
    ['of others only', 'user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /', 'QuxBot', { yes: ['/x/y'] }],
    [
      'that allow by saying nothing',
      'User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/',
      'FooBot',
      { yes: ['/x/p'], no: ['/y/p'] },
    ],
    ['without a rule', 'User-agent: *\nDisallow: /\nUser-agent: FooBot\n', 'FooBot', { yes: ['/x'] }],
    ['of everybody with more words', 'User-agent: * (all)\nDisallow: /', 'FooBot', { no: ['/x'] }],
    ['with misspelt keys', 'useragent: *\ndissallow: /a\ndisalow: /b', 'FooBot', { no: ['/a', '/b'], yes: ['/c'] }],
    ['with old line ends', 'User-agent: *\rDisallow: /a\r\nDisallow: /b', 'FooBot', { no: ['/a', '/b'] }],
    // From bug reports of other parsers.
    ['without a group before it', 'Disallow: /x\nUser-agent: *\nDisallow: /y', 'FooBot', { yes: ['/x'], no: ['/y'] }],
    [
      'with a crawl-delay of another',
      'User-agent: A\nCrawl-delay: 5\nUser-agent: FooBot\nDisallow: /x',
      'FooBot',
      { no: ['/x'] },
    ],
    ['with an agent before everybody', 'User-agent: Other\nUser-agent: *\nDisallow: /x', 'FooBot', { no: ['/x'] }],
    ['with a list of agents', 'User-agent: FooBot, Other\nDisallow: /x', 'FooBot', { no: ['/x'] }],
    ['with a wild agent', 'User-agent: FooBot*\nDisallow: /x', 'FooBot', { no: ['/x'] }],
    ['in a page', '<html><body>User-agent: *\nDisallow: /x</body></html>', 'FooBot', { yes: ['/x'] }],
    ['with indented lines', '  User-agent : *\n\tDisallow :\t/a  ', 'FooBot', { no: ['/a'] }],
  ])('%s', (_, body, agent, { yes = [], no = [] }) => {
    const seen = [...yes, ...no].map((path) => [path, allowed(body, path, agent)]);
    expect(seen).toEqual([...yes.map((path) => [path, true]), ...no.map((path) => [path, false])]);
  });

  it('are chosen by the first word of the user agent', () => {
    expect(productToken('Trawler/0.1 (+https://trawler.dev)')).toBe('trawler');
    expect(productToken('MyBot')).toBe('mybot');
    expect(productToken('Shop_Bot-2/1.0')).toBe('shop_bot-');
    expect(productToken('360')).toBe('360');
    expect(allowed('User-agent: mybot\nDisallow: /', '/x', 'MyBot 2.0')).toBe(false);
    expect(allowed('User-agent: bot2\nDisallow: /', '/x', 'Bot2/1.0')).toBe(false);
    expect(allowed('User-agent: 360\nDisallow: /', '/x', '360/1.0')).toBe(false);
  });
});

/** Rules between `user-agent: *` and what they mean for paths. */
const RULES: readonly (readonly [rules: string, Verdicts])[] = [
  // Longest match (RFC 9309, 2.2.2).
  ['disallow: /x/page.html\nallow: /x/', { no: ['/x/page.html'] }],
  ['allow: /x/page.html\ndisallow: /x/', { yes: ['/x/page.html'], no: ['/x/'] }],
  ['disallow:\nallow:', { yes: ['/x/page.html'] }],
  ['disallow: /\nallow: /', { yes: ['/x/page.html'] }],
  ['disallow: /x\nallow: /x/', { yes: ['/x/'], no: ['/x'] }],
  ['disallow: /x/page.html\nallow: /x/page.html', { yes: ['/x/page.html'] }],
  ['allow: /page\ndisallow: /*.html', { yes: ['/page'], no: ['/page.html'] }],
  ['allow: /x/page.\ndisallow: /*.html', { yes: ['/x/page.html'], no: ['/x/y.html'] }],
  ['allow: /p\ndisallow: /', { yes: ['/page'] }],
  ['allow: /folder\ndisallow: /folder', { yes: ['/folder/page'] }],
  ['allow: /page\ndisallow: /*.htm', { no: ['/page.htm'] }],
  ['allow: /$\ndisallow: /', { yes: ['/'], no: ['/page.html'] }],
  // Case of paths.
  ['disallow: /x/', { no: ['/x/y'], yes: ['/X/y'] }],
  // Special characters (2.2.3).
  [
    'disallow: /foo/bar/quz\nallow: /foo/*/qux',
    { no: ['/foo/bar/quz'], yes: ['/foo/quz', '/foo//quz', '/foo/bax/quz'] },
  ],
  [
    'disallow: /foo/bar$\nallow: /foo/bar/qux',
    { no: ['/foo/bar'], yes: ['/foo/bar/qux', '/foo/bar/', '/foo/bar/baz'] },
  ],
  ['# disallow: /\ndisallow: /foo/quz#qux\nallow: /', { yes: ['/foo/bar'], no: ['/foo/quz'] }],
  ['disallow: /a$b', { no: ['/a$b', '/a$bc'], yes: ['/a'] }],
  ['disallow: /path/file-with-a-%2A.html', { no: ['/path/file-with-a-*.html'], yes: ['/path/file-with-a-b.html'] }],
  ['disallow: /path/foo-%24', { no: ['/path/foo-$', '/path/foo-$x'], yes: ['/path/foo-'] }],
  ['disallow: /**a**', { no: ['/a', '/bab'], yes: ['/b'] }],
  ['disallow: /*a*a$', { no: ['/aa', '/abaca'], yes: ['/a', '/aab'] }],
  ['disallow: *.gif$', { no: ['/a/b.gif'], yes: ['/b.gif?x'] }],
  // Encodings (2.2.2): the RFC's table, read for URLs as browsers write them.
  ['disallow: /\nallow: /foo/bar?baz=quz', { yes: ['/foo/bar?baz=quz'] }],
  [
    'disallow: /foo/bar?baz=https://foo.bar',
    { no: ['/foo/bar?baz=https%3A%2F%2Ffoo.bar', '/foo/bar?baz=https://foo.bar'] },
  ],
  [
    'disallow: /foo/bar?baz=https%3A%2F%2Ffoo.bar',
    { no: ['/foo/bar?baz=https%3A%2F%2Ffoo.bar', '/foo/bar?baz=https://foo.bar'] },
  ],
  [
    'disallow: /\nallow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par',
    { yes: ['/foo/bar?qux=taz&baz=http://foo.bar?tar&par'] },
  ],
  ['disallow: /foo/bar/ツ', { no: ['/foo/bar/%E3%83%84', '/foo/bar/%e3%83%84', '/foo/bar/ツ'] }],
  ['disallow: /foo/bar/%E3%83%84', { no: ['/foo/bar/%E3%83%84', '/foo/bar/ツ'] }],
  ['disallow: /foo/bar/%62%61%7A', { no: ['/foo/bar/baz', '/foo/bar/%62%61%7A'] }],
  ['disallow: /%7Ejoe/', { no: ['/~joe/index.html', '/%7Ejoe/', '/%7ejoe/'] }],
  ['disallow: /a%2Fb', { no: ['/a%2Fb', '/a%2fb'], yes: ['/a/b'] }],
  ['disallow: /a/b', { no: ['/a/b'], yes: ['/a%2Fb'] }],
  ['disallow: /a%3Fb', { no: ['/a%3Fb'], yes: ['/a?b'] }],
  ['disallow: /*?filter[color]=', { no: ['/list?filter[color]=red', '/list?filter%5Bcolor%5D=red'] }],
  ['disallow: /*?filter%5Bcolor%5D=', { no: ['/list?filter[color]=red', '/list?filter%5Bcolor%5D=red'] }],
  ['disallow: */test', { no: ['/test', '/a/test'] }],
  ['disallow: /*s=', { no: ['/?s=asd'], yes: ['/', '/s/'] }],
  ['allow: /*/filter/page=*/$\ndisallow: /', { yes: ['/1/filter/page=5/'], no: ['/1/filter/page=5/x'] }],
  [
    'disallow: /\nallow: /p/*/issues/detail?id=*\ndisallow: /p/*/issues/detail?id=*&*',
    { yes: ['/p/zero/issues/detail?id=1139'], no: ['/p/zero/issues/detail?id=1139&q=1'] },
  ],
  ['disallow: /*.print$\ndisallow: /*.print?', { no: ['/a.2406.de.print?h', '/a.print'], yes: ['/a.print/x'] }],
  ['disallow: /br[1]', { no: ['/br[1]', '/br%5B1%5D'] }],
  ['disallow: /pipe|x', { no: ['/pipe|x', '/pipe%7Cx'] }],
  ['disallow: /*q={a}', { no: ['/s?q={a}', '/s?q=%7Ba%7D'] }],
  ["disallow: /it's", { no: ["/it's", '/it%27s'] }],
  ['disallow: /*u=a%2Fb', { no: ['/x?u=a%2Fb'] }],
  ['disallow: /*sort=a/b', { no: ['/x?sort=a/b', '/x?sort=a%2Fb'] }],
  ['disallow: /a b', { no: ['/a b', '/a%20b'] }],
  ['disallow: /100%', { no: ['/100%'] }],
  ['disallow: /caf%E9', { no: ['/caf%E9'], yes: ['/café'] }],
  // The documentation of Google's parser.
  [
    'disallow: /\nallow: /fish',
    {
      yes: ['/fish', '/fish.html', '/fish/salmon.html', '/fishheads', '/fish.html?id=a'],
      no: ['/bar', '/Fish.asp', '/catfish', '/?id=fish'],
    },
  ],
  [
    'disallow: /\nallow: /fish*',
    {
      yes: ['/fish', '/fish.html', '/fish/salmon.html', '/fishheads/y.html', '/fish.html?id=a'],
      no: ['/bar', '/Fish.bar', '/catfish', '/?id=fish'],
    },
  ],
  [
    'disallow: /\nallow: /fish/',
    {
      yes: ['/fish/', '/fish/salmon', '/fish/?salmon', '/fish/?id=a'],
      no: ['/bar', '/fish', '/fish.html', '/Fish/Salmon.html'],
    },
  ],
  [
    'disallow: /\nallow: /*.php',
    {
      yes: ['/f.php', '/d/f.php', '/d/f.php?p', '//d/any.php.file.html', '/f.php/', '/index?f=f.php/'],
      no: ['/bar', '/php/', '/index?php', '/windows.PHP'],
    },
  ],
  [
    'disallow: /\nallow: /*.php$',
    {
      yes: ['/f.php', '/d/f.php'],
      no: ['/bar', '/f.php?p', '/f.php/', '/f.php5', '/php/', '/f?php', '/aaaphpaaa', '//windows.PHP'],
    },
  ],
  ['disallow: /\nallow: /fish*.php', { yes: ['/fish.php', '/fishheads/catfish.php?p'], no: ['/bar', '/Fish.PHP'] }],
  [
    'allow: /allowed-slash/index.html\ndisallow: /',
    { yes: ['/allowed-slash/', '/allowed-slash/index.html'], no: ['/allowed-slash/index.htm', '/anyother'] },
  ],
  // Only an allowed index stands for its folder.
  ['disallow: /d/index.html', { yes: ['/d/'], no: ['/d/index.html'] }],
];

describe('rules of robots.txt', () => {
  it.each(RULES)('%j', (rules, { yes = [], no = [] }) => {
    // Two slashes at the beginning of a reference name a host.
    const at = (path: string) => (path.startsWith('//') ? `http://foo.example${path}` : path);
    const seen = [...yes, ...no].map((path) => [path, allowed(`user-agent: *\n${rules}`, at(path))]);
    expect(seen).toEqual([...yes.map((path) => [path, true]), ...no.map((path) => [path, false])]);
  });

  it('are compared octet by octet where the file is no UTF-8', () => {
    const body = Buffer.from('User-agent: *\nDisallow: /caf\xe9', 'latin1');
    expect(allowed(body, '/caf%E9/menu')).toBe(false);
    expect(allowed(body, '/café')).toBe(true);
  });
});

describe('the beginning of robots.txt', () => {
  const FILE = 'User-Agent: *\nDisallow: /no\n';

  it.each([
    ['a byte-order mark', [0xef, 0xbb, 0xbf], false],
    ['two bytes of one', [0xef, 0xbb], false],
    ['one byte of it', [0xef], false],
    // The first line is not readable, so that the rule belongs to no group.
    ['a broken one', [0xef, 0x11, 0xbf], true],
  ])('may be %s', (_, mark, isAllowed) => {
    expect(allowed(Buffer.concat([Buffer.from(mark), Buffer.from(FILE)]), '/no')).toBe(isAllowed);
  });

  it('is the only place for a byte-order mark', () => {
    expect(allowed('User-agent: *\n\ufeffDisallow: /no', '/no')).toBe(true);
  });

  it.each(['utf-16le', 'utf-16be'])('may be one of %s', (encoding) => {
    const bytes = Buffer.from('\ufeffUser-agent: *\r\nDisallow: /ü\r\n', 'utf16le');
    const body = encoding === 'utf-16le' ? bytes : bytes.swap16();
    expect([allowed(body, '/ü'), allowed(body, '/x')]).toEqual([false, true]);
  });

  it('may name a sitemap behind one', () => {
    expect(sitemapsOf(rulesOf('\ufeffSitemap: http://a/1\nUser-agent: *'))).toEqual(['http://a/1']);
  });
});

describe('a robots.txt that is long or hostile', () => {
  it('keeps its groups, however many lines stand before them', () => {
    const lines = Array.from({ length: 20_000 }, (_, line) => `Disallow: /*${line}*a*b*c*d*e*f*g*h*i*j*k`);
    const body = ['User-agent: other', ...lines, 'User-agent: trawler', 'Disallow: /'].join('\n');
    expect(body.length).toBeGreaterThan(MAX_ROBOTS_BYTES);
    const shortened = ['User-agent: other', ...lines.slice(0, 9_000), 'User-agent: trawler', 'Disallow: /'].join('\n');
    expect(allowed(shortened, '/x')).toBe(false);
  });

  it('keeps user-agent lines that are longer than any other', () => {
    expect(allowed(`User-agent: trawler ${'x'.repeat(20_000)}\nDisallow: /`, '/x')).toBe(false);
  });

  it('keeps rules with many wildcards', () => {
    expect(allowed(`User-agent: *\nDisallow: /${'*a'.repeat(50)}`, `/${'a'.repeat(49)}`)).toBe(true);
    expect(allowed(`User-agent: *\nDisallow: /${'*a'.repeat(50)}`, `/${'ba'.repeat(50)}`)).toBe(false);
  });

  it('is no larger in the database than that takes, also in another encoding', () => {
    const body = Buffer.from(
      `User-agent: *\n${'Disallow: /\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9\n'.repeat(25_000)}`,
      'latin1',
    );
    const kept = rulesOf(body).body ?? '';
    expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(1024 * 1024);
    expect(kept.startsWith('user-agent: *\ndisallow: /%E9')).toBe(true);
  });

  it('of anything at all is read, and says yes or no', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'User-agent: *',
        'Disallow: /',
        'Allow: /*$',
        'Crawl-delay: 1e999',
        'Sitemap:',
        'Sitemap: http://',
      ),
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.constantFrom('Disallow: ', 'Allow: '), fc.string({ unit: 'binary' })).map((parts) => parts.join('')),
      fc.stringMatching(/^Disallow: [/*$%a]{0,30}$/),
    );
    fc.assert(
      fc.property(fc.array(line), fc.webUrl({ withQueryParameters: true }), (lines, url) => {
        const rules = rulesOf(lines.join('\n'));
        expect(typeof compileRules(rules, AGENT)(new URL(url))).toBe('boolean');
        expect(sitemapsOf(rules).length).toBeLessThanOrEqual(lines.length);
        expect(crawlDelayMs(rules, AGENT)).toBeLessThanOrEqual(60_000);
      }),
    );
  });

  it('matches as the language of patterns says', () => {
    const texts = fc.stringMatching(/^\/[ab*$/]{0,12}$/);
    fc.assert(
      fc.property(texts, fc.stringMatching(/^\/[ab/]{0,12}$/), (pattern, path) => {
        const anchored = pattern.endsWith('$');
        const body = anchored ? pattern.slice(0, -1) : pattern;
        const expression = body.replaceAll('$', '\\$').split('*').join('.*');
        const expected = new RegExp(`^${expression}${anchored ? '$' : ''}`).test(new URL(`http://a${path}`).pathname);
        const rules = rulesOf(`user-agent: *\ndisallow: ${pattern}`);
        expect(compileRules(rules, AGENT)(new URL(`http://a${path}`))).toBe(!expected);
      }),
    );
  });
});

describe('crawl-delay', () => {
  const delay = (body: string, agent = AGENT) => crawlDelayMs(rulesOf(body), agent);

  it.each([
    ['1.5', 1_500],
    ['.5', 500],
    ['10 # seconds', 10_000],
    ['1,5', 1_500],
    [',5', 500],
    ['86400', 60_000],
    ['soon', 0],
    ['-1', 0],
  ])('%s', (text, expected) => {
    expect(delay(`User-agent: *\nCrawl-delay: ${text}`)).toBe(expected);
  });

  it('is for the crawlers that its group names', () => {
    const body =
      'User-agent: slow\nCrawl-delay: 30\nDisallow: /a\nUser-agent: trawler\nDisallow: /b\nUser-agent: *\nCrawl-delay: 5';
    expect(delay(body, 'Slow/1')).toBe(30_000);
    expect(delay(body)).toBe(0);
    expect(delay(body, 'Other/1')).toBe(5_000);
  });

  it('ends no group, but is for those alone who stand before it', () => {
    const body = 'User-agent: *\nCrawl-delay: 10\n\nUser-agent: bad\nDisallow: /';
    expect([delay(body), delay(body, 'bad')]).toEqual([10_000, 0]);
    expect(allowed(body, '/x')).toBe(false);
  });
});

it('robots.txt names sitemaps for every crawler, in any group', () => {
  const body = 'Sitemap: http://a/1\nUser-agent: other\nSITEMAP : /2\n# Sitemap: /3\nSitemap:\nDisallow: /\nSitemap /4';
  expect(sitemapsOf(rulesOf(body))).toEqual(['http://a/1', '/2', '/4']);
  expect(sitemapsOf({ verdict: 'allow' })).toEqual([]);
});
