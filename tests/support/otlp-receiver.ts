// A receiver of OTLP over HTTP that keeps the spans it is sent, as they come over the wire.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const attributes = z
  .array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }))
  .transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, Object.values(value)[0]])));

const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  startTimeUnixNano: z.coerce.bigint(),
  endTimeUnixNano: z.coerce.bigint(),
  attributes,
  status: z.object({ code: z.number().default(0), message: z.string().optional() }),
});

const request = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});

export type ReceivedSpan = z.output<typeof span> & { readonly process: Readonly<Record<string, unknown>> };

export type OtlpReceiver = AsyncDisposable & { readonly url: string; readonly spans: readonly ReceivedSpan[] };

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const server = createServer((message, response) => {
    void (async () => {
      if (message.url !== '/v1/traces') return response.writeHead(404).end();
      for (const { resource, scopeSpans } of request.parse(await json(message)).resourceSpans) {
        spans.push(
          ...scopeSpans.flatMap((scope) => scope.spans.map((one) => ({ ...one, process: resource.attributes }))),
        );
      }
      return response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    })().catch((error: unknown) => response.writeHead(400).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
