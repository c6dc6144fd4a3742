import { pino } from 'pino';
import { expect, it } from 'vitest';
import { traceIdOf, withTraceIds } from '#src/telemetry/traces.ts';

it('lines of a run name its trace, other lines none', () => {
  const lines: unknown[] = [];
  const logger = withTraceIds(pino({ base: null }, { write: (line) => lines.push(JSON.parse(line)) }));
  const run = 'a1b2c3d4-0000-4000-8000-00000000000f';
  logger.info({ run }, 'run started');
  logger.info('scheduler started');
  logger.child({ service: 'operator' }).warn({ run }, 'source failed');
  const trace = { trace_id: traceIdOf(run) };
  expect(lines).toEqual([
    expect.objectContaining({ ...trace, msg: 'run started' }),
    expect.not.objectContaining(trace),
    expect.objectContaining({ ...trace, msg: 'source failed' }),
  ]);
});
