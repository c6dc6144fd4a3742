import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Minutes of waiting for clocks: others work beside them. */
const FIRST = [
  '/tests/integration/differential/cronjob.test.ts',
  '/tests/integration/crawler/gateway-restarts.test.ts',
];
/** Looks at what all the others left in the audit log. */
const LAST = '/tests/e2e/rights.test.ts';

/** In vitest's own order, but for the first and the last. */
class FirstAndLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const first = FIRST.findIndex((name) => moduleId.endsWith(name));
      return first >= 0 ? first : FIRST.length + Number(moduleId.endsWith(LAST));
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}

// Tests start a thousand processes of the same source; Node keeps what it compiled of it.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'build', 'compile-cache');

/** Conditions are waited for as long as a busy machine may take, not for the second that is usual. */
const expect = { poll: { timeout: 30_000 } };

/** Each suite is a project of its own, so that `npm run test:unit` starts no server and e2e runs one file at a time. */
export default defineConfig({
  test: {
    sequence: { sequencer: FirstAndLast },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
          testTimeout: 20_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          testTimeout: 120_000,
          expect,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['tests/faults/**/*.test.ts'],
          testTimeout: 300_000,
          expect,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          // A cluster of the user's keeps its audit log to itself.
          exclude: process.env['TRAWLER_KUBECONFIG'] ? ['tests/e2e/rights.test.ts'] : [],
          globalSetup: ['tests/support/e2e-setup.ts'],
          testTimeout: 600_000,
          expect,
          hookTimeout: 900_000,
          fileParallelism: false,
          maxWorkers: 1,
        },
      },
    ],
  },
});
