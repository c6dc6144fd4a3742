// The web server's program: the demo site, or with --root a folder of files; the access log goes to standard output.
//
//   node dev/site/main.ts [--port 8080] [--host 0.0.0.0] [--root DIR] [--products 48] [--crawl-delay SECONDS]
import { parseArgs } from 'node:util';
import { createSite } from './server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '0.0.0.0' },
    root: { type: 'string' },
    products: { type: 'string' },
    'crawl-delay': { type: 'string' },
  },
});

const site = await createSite({
  port: Number(values.port),
  host: values.host,
  ...(values.root === undefined ? {} : { root: values.root }),
  ...(values.products === undefined ? {} : { products: Number(values.products) }),
  ...(values['crawl-delay'] === undefined ? {} : { crawlDelay: Number(values['crawl-delay']) }),
  onRequest: (entry) => console.log(JSON.stringify(entry)),
});
// In a pod the output is the access log and nothing else.
if (process.stdout.isTTY) console.log(`${values.root ?? 'the demo site'} at http://localhost:${site.port}/`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // Nothing but the server keeps the process alive.
    void site.close();
  });
}
