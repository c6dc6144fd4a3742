// What both Trawler's server and the operator's own program can tell: the server where there is one and this person has a token for it, by
// their rights in the namespace, else the operator's pod, which takes the right to execute in it.
import type { Command } from 'commander';
import { globalOptions, UsageError } from './session.ts';
import { connectToServer, ServerError, type ServerOptions, type TrawlerServer } from './trawler-server.ts';

type Ways = {
  readonly server: (server: TrawlerServer) => Promise<void>;
  readonly operator: () => Promise<void>;
};

/** Rejects with a ServerError, or with what the way rejects with. */
export async function withServerIfAny(command: Command, signal: AbortSignal, ways: Ways): Promise<void> {
  const server = await serverIfAny(command, signal);
  if (server === undefined) return ways.operator();
  try {
    await ways.server(server);
  } finally {
    await server.close();
  }
}

/**
 * Undefined where there is no server to ask; one that is named with --server has to be there, and what a server refuses by itself stays
 * refused. Rejects with a ServerError.
 */
async function serverIfAny(command: Command, signal: AbortSignal): Promise<TrawlerServer | undefined> {
  const options = { ...globalOptions(command), ...command.opts<ServerOptions>() };
  const isNamed = command.getOptionValueSource('server') !== 'default';
  try {
    const server = await connectToServer(options);
    try {
      await server.GET('/health', { signal });
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  } catch (error) {
    const isAbsent = error instanceof UsageError || (error instanceof ServerError && !error.isOfServer);
    if (isAbsent && !isNamed) return undefined;
    throw error;
  }
}
