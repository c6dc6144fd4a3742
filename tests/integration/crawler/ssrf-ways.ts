// Ways in which a page makes a browser connect somewhere, each as a document. `target` is an origin such as
// http://127.0.0.1:9; each asks for a path of its own name.

type Way = readonly [name: string, document: (target: string, name: string) => string];

const script = (code: (url: string) => string) => (target: string, name: string) =>
  `<title>ok</title><body><script>${code(`${target}/${name}`)}</script>`;
const markup = (text: (url: string) => string) => (target: string, name: string) =>
  `<title>ok</title><body>${text(`${target}/${name}`)}`;

export const WAYS_OUT: readonly Way[] = [
  ['script', markup((url) => `<script src="${url}"></script>`)],
  ['module', markup((url) => `<script type=module src="${url}"></script>`)],
  ['import', script((url) => `import('${url}').catch(() => {})`)],
  ['stylesheet', markup((url) => `<link rel=stylesheet href="${url}">`)],
  ['css-import', markup((url) => `<style>@import url("${url}");</style>`)],
  ['iframe', markup((url) => `<iframe src="${url}"></iframe>`)],
  ['srcdoc', markup((url) => `<iframe srcdoc="<iframe src='${url}'></iframe>"></iframe>`)],
  ['data-frame', markup((url) => `<iframe src="data:text/html,<iframe src='${url}'></iframe>"></iframe>`)],
  [
    'blob-frame',
    script(
      (url) => `const frame = document.createElement('iframe');
        frame.src = URL.createObjectURL(new Blob(["<script src='${url}'><\\/script>"], { type: 'text/html' }));
        document.body.append(frame);`,
    ),
  ],
  ['object', markup((url) => `<object data="${url}"></object>`)],
  ['embed', markup((url) => `<embed src="${url}">`)],
  ['image', markup((url) => `<img src="${url}">`)],
  ['image-script', script((url) => `new Image().src = '${url}'`)],
  ['video', markup((url) => `<video src="${url}" autoplay></video>`)],
  ['svg', markup((url) => `<svg><image href="${url}"/><use href="${url}#x"/></svg>`)],
  [
    'font',
    markup((url) => `<style>@font-face { font-family: x; src: url("${url}") } body { font-family: x }</style>x`),
  ],
  ['background', markup((url) => `<div style="background: url('${url}')">x</div>`)],
  ['preload', markup((url) => `<link rel=preload as=script href="${url}">`)],
  ['modulepreload', markup((url) => `<link rel=modulepreload href="${url}">`)],
  ['prefetch', markup((url) => `<link rel=prefetch href="${url}">`)],
  ['prerender', markup((url) => `<link rel=prerender href="${url}">`)],
  ['preconnect', markup((url) => `<link rel=preconnect href="${url}"><link rel=preconnect crossorigin href="${url}">`)],
  ['dns-prefetch', markup((url) => `<link rel=dns-prefetch href="${url}">`)],
  [
    'speculation',
    markup(
      (url) =>
        `<script type=speculationrules>{"prefetch": [{"urls": ["${url}"]}], "prerender": [{"urls": ["${url}"]}]}</script>`,
    ),
  ],
  ['manifest', markup((url) => `<link rel=manifest href="${url}">`)],
  ['icon', markup((url) => `<link rel=icon href="${url}">`)],
  ['fetch', script((url) => `fetch('${url}', { mode: 'no-cors' }).catch(() => {})`)],
  ['fetch-cors', script((url) => `fetch('${url}', { method: 'PUT', headers: { x: 'y' } }).catch(() => {})`)],
  ['keepalive', script((url) => `fetch('${url}', { mode: 'no-cors', keepalive: true }).catch(() => {})`)],
  ['xhr', script((url) => `const r = new XMLHttpRequest(); r.open('GET', '${url}'); r.send()`)],
  [
    'xhr-sync',
    script((url) => `try { const r = new XMLHttpRequest(); r.open('GET', '${url}', false); r.send() } catch {}`),
  ],
  ['beacon', script((url) => `navigator.sendBeacon('${url}', 'x')`)],
  [
    'ping',
    script((url) => `document.body.innerHTML = '<a href="#" ping="${url}">x</a>'; document.querySelector('a').click()`),
  ],
  ['websocket', script((url) => `new WebSocket('${url.replace('http', 'ws')}')`)],
  ['websocket-tls', script((url) => `new WebSocket('${url.replace('http', 'wss')}')`)],
  ['events', script((url) => `new EventSource('${url}')`)],
  [
    'transport',
    script((url) => `try { new WebTransport('${url.replace('http', 'https')}').ready.catch(() => {}) } catch {}`),
  ],
  [
    'form',
    script(
      (url) => `document.body.innerHTML = '<form action="${url}" method=post target=x></form><iframe name=x></iframe>';
    document.forms[0].submit()`,
    ),
  ],
  ['worker', script((url) => `new Worker(URL.createObjectURL(new Blob(["fetch('${url}', {mode: 'no-cors'})"])))`)],
  [
    'shared-worker',
    script((url) => `new SharedWorker(URL.createObjectURL(new Blob(["fetch('${url}', {mode: 'no-cors'})"])))`),
  ],
  ['worker-import', script((url) => `new Worker(URL.createObjectURL(new Blob(["importScripts('${url}')"])))`)],
  ['worklet', script((url) => `try { CSS.paintWorklet.addModule('${url}').catch(() => {}) } catch {}`)],
  ['service-worker', script(() => `navigator.serviceWorker?.register('/service-worker.js').catch(() => {})`)],
  ['popup', script((url) => `window.open('${url}')`)],
  ['popup-noopener', script((url) => `window.open('${url}', '_blank', 'noopener')`)],
  ['view-source', script((url) => `window.open('view-source:${url}'); location = 'view-source:${url}'`)],
  [
    'frame-location',
    script((url) => `document.body.append(document.createElement('iframe')); frames[0].location = '${url}'`),
  ],
  ['frame-refresh', markup((url) => `<iframe srcdoc="<meta http-equiv=refresh content='0;url=${url}'>"></iframe>`)],
  [
    'csp-report',
    markup((url) => `<meta http-equiv=Content-Security-Policy content="img-src 'none'; report-uri ${url}"><img src=x>`),
  ],
  ['report-header', markup(() => '')],
  ['link-header', markup(() => '')],
  ['redirected-script', markup((url) => `<script src="/to?${encodeURIComponent(url)}"></script>`)],
  ['redirected-frame', markup((url) => `<iframe src="/to?${encodeURIComponent(url)}"></iframe>`)],
  ['redirected-fetch', script((url) => `fetch('/to?${encodeURIComponent(url)}', { mode: 'no-cors' }).catch(() => {})`)],
  ['base', markup((url) => `<base href="${new URL(url).origin}"><script src="/base"></script>`)],
  [
    'xslt',
    markup(
      (url) => `<iframe src="data:text/xml,${encodeURIComponent(`<?xml-stylesheet href="${url}"?><x/>`)}"></iframe>`,
    ),
  ],
];

/** Attempts to read the machine or the browser into the title; a page may replace itself by what is its own. */
export const LOCAL_READS: readonly string[] = [
  `fetch('file:///etc/passwd').then((r) => r.text()).then((t) => document.title = t).catch(() => {})`,
  `const x = new XMLHttpRequest(); x.onload = () => document.title = x.responseText;
   try { x.open('GET', 'file:///etc/passwd'); x.send() } catch {}`,
  `const f = document.createElement('iframe'); f.src = 'file:///etc/passwd'; document.documentElement.append(f);
   setTimeout(() => { try { document.title = f.contentDocument.body.textContent || 'ok' } catch {} }, 300)`,
  `location = 'file:///etc/passwd'`,
  `location = 'view-source:file:///etc/passwd'`,
  `location = 'chrome://version'`,
  `location = 'devtools://devtools/bundled/inspector.html'`,
  `location = 'data:text/html,<title>own</title>'`,
  `location = URL.createObjectURL(new Blob(['<title>own</title>'], { type: 'text/html' }))`,
  `location = 'javascript:"<title>own</title>"'`,
  `window.open('file:///etc/passwd'); window.open('chrome://settings')`,
];
