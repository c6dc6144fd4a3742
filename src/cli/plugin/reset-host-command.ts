// `kubectl trawler reset-host`: a host that was slowed down or is asked by a proxy is asked as at first.
import type { Command } from 'commander';
import { report } from './report.ts';
import { globalOptions, namespaceOf, untilInterrupted } from './session.ts';
import { withServer, withServerOptions } from './trawler-server.ts';

export function addResetHost(program: Command): void {
  const command = program
    .command('reset-host <run> <host>')
    .description('ask a host at its own pace and on the direct way again, for all runs of the namespace');
  withServerOptions(command).action(async (run: string, host: string) => {
    const options = globalOptions(command);
    const path = { namespace: namespaceOf(options), name: run };
    const wanted = { params: { path }, body: { host }, signal: untilInterrupted() };
    await withServer(command, (server) =>
      server.POST('/api/v1/namespaces/{namespace}/runs/{name}/hosts/reset', wanted),
    );
    report([run], options, `asks ${host} as at first`);
  });
}
