// Metrics as text: the same that prom-client writes, without holding the process up.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { exposition, expositionType, OPENMETRICS_TYPE, TEXT_TYPE } from '#src/telemetry/exposition.ts';
import { createRegistry } from '#src/telemetry/metrics.ts';

async function text(registry: Registry, type: typeof TEXT_TYPE | typeof OPENMETRICS_TYPE): Promise<string> {
  let all = '';
  for await (const piece of exposition(registry, type)) all += piece;
  return all;
}

/** One of each kind, with what has to be escaped. */
function fill(registry: Registry, enableExemplars: boolean): void {
  const registers = [registry];
  const counted = new Counter<string>({
    name: 'pages_total',
    help: 'A \\ and\na line.',
    labelNames: ['url'],
    registers,
    enableExemplars,
  });
  const seconds = new Histogram<string>({
    name: 'seconds',
    help: 'h',
    labelNames: ['a'],
    buckets: [0.1, 1],
    registers,
    enableExemplars,
  });
  new Gauge({ name: 'bare', help: 'h', registers }).set(-1.5);
  new Gauge({ name: 'infinite', help: 'h', registers }).set(1 / 0);
  new Gauge({ name: 'empty', help: 'h', labelNames: ['a'], registers });
  for (const url of ['plain', 'with "quotes"', 'back\\slash', 'two\nlines', '']) {
    if (enableExemplars) counted.inc({ labels: { url }, value: 2, exemplarLabels: { run_id: 'r"1' } });
    else counted.inc({ url }, 2);
  }
  if (enableExemplars) seconds.observe({ labels: { a: 'x' }, value: 0.5, exemplarLabels: { run_id: 'r2' } });
  else seconds.observe({ a: 'x' }, 0.5);
}

it('writes plain text as prom-client does', async () => {
  const registry = new Registry();
  fill(registry, false);
  const theirs = (await registry.metrics()).replaceAll('\n\n', '\n');
  expect(await text(registry, TEXT_TYPE)).toBe(theirs);
});

it('writes OpenMetrics with exemplars as prom-client does', async () => {
  const registry = createRegistry();
  fill(registry, true);
  const ours = await text(registry, OPENMETRICS_TYPE);
  expect(ours).toContain('# {run_id="r2"} 0.5 ');
  expect(ours).toBe(await registry.metrics());
});

it('shows no exemplars in plain text', async () => {
  const registry = createRegistry();
  fill(registry, true);
  const plain = await text(registry, TEXT_TYPE);
  expect(plain).toContain('pages_total{url="plain"} 2\n');
  expect(plain).not.toContain('run_id');
});

it.each([
  [undefined, TEXT_TYPE],
  ['*/*', TEXT_TYPE],
  ['application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2', OPENMETRICS_TYPE],
])('answers %s with %s', (accept, type) => {
  expect(expositionType(accept)).toBe(type);
});

it('leaves room for other work between its pieces', async () => {
  const registry = createRegistry();
  const series = new Gauge<string>({ name: 'many', help: 'h', labelNames: ['schedule'], registers: [registry] });
  for (let number = 0; number < 20_000; number++) series.set({ schedule: `schedule-${number}` }, number);
  let turns = 0;
  const turn = () => {
    turns += 1;
    turning = setImmediate(turn);
  };
  let turning = setImmediate(turn);
  await text(registry, TEXT_TYPE);
  clearImmediate(turning);
  // 20 pieces.
  expect(turns).toBeGreaterThanOrEqual(19);
});
