// The least that a server on the way can be: the query, its rows as JSON, the answer; no token, no rights, no checks, no log.
// A process of its own: it is sent its sources, sends back its address, and ends with whoever started it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BareSources, createBareReads, type Read } from './bare-reads.ts';

process.once('message', (sources: BareSources) => {
  const reads = createBareReads(sources);
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    reads.read(Object.fromEntries(searchParams) as Read).then(
      (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1', () => {
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
});
process.once('disconnect', () => process.exit());
