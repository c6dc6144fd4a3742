// Gateways as processes of their own behind one address, as a Deployment and its Service are: a gateway that ends is replaced.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { COMPILE_CACHE } from './logging-process.ts';

export type GatewayProcesses = AsyncDisposable & {
  /** Of the Service: each new connection goes to the next gateway that is ready. */
  readonly url: string;
  /** Ends the gateway that has run for longest, and resolves with its exit code or the signal once another one serves. */
  replaceOldest(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
};

export type GatewayProcess = {
  readonly child: ChildProcess;
  readonly port: Promise<number>;
  readonly ended: Promise<number | NodeJS.Signals>;
};

/** From SIGTERM on, nodes send new connections to a gateway for so long, until all have heard that it ends. */
const STILL_ROUTED_MS = 1_000;

/** Starts so many gateways with this environment, and resolves when all of them serve. */
export async function startGatewayProcesses(
  count: number,
  environment: Readonly<Record<string, string>>,
): Promise<GatewayProcesses> {
  const gateways = Array.from({ length: count }, () => startGatewayProcess(environment));
  const ready = await Promise.all(gateways.map(({ port }) => port));
  const sockets = new Set<Socket>();
  let turn = 0;
  const service = createServer((client) => {
    const port = ready[turn++ % ready.length];
    const upstream = port === undefined ? client : connect(port, '127.0.0.1');
    const end = () => {
      for (const socket of [client, upstream]) sockets.delete(socket.destroy());
    };
    for (const socket of [client, upstream]) sockets.add(socket.setNoDelay(true).on('error', end));
    if (upstream === client) end();
    else client.pipe(upstream).pipe(client);
    // What was sent before the end still arrives.
    for (const socket of [client, upstream]) socket.on('close', () => sockets.delete(socket));
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  const withdraw = (port: number) => void ready.splice(ready.indexOf(port), 1);

  return {
    url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
    async replaceOldest(signal) {
      const oldest = gateways.shift();
      if (oldest === undefined) throw new Error('no gateway left');
      const port = await oldest.port;
      oldest.child.kill(signal);
      const withdrawn =
        signal === 'SIGKILL'
          ? oldest.ended.then(() => withdraw(port))
          : new Promise((resolve) => setTimeout(resolve, STILL_ROUTED_MS)).then(() => withdraw(port));
      const successor = startGatewayProcess(environment);
      gateways.push(successor);
      ready.push(await successor.port);
      await withdrawn;
      return oldest.ended;
    },
    async [Symbol.asyncDispose]() {
      for (const { child } of gateways) child.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
      await Promise.all([...gateways.map(({ ended }) => ended), new Promise((resolve) => service.close(resolve))]);
    },
  };
}

/** One gateway on a port of its own, with this environment. */
export function startGatewayProcess(environment: Readonly<Record<string, string>>): GatewayProcess {
  const ports = { TRAWLER_GATEWAY_PORT: '0', TRAWLER_HEALTH_PORT: '0', TRAWLER_METRICS_PORT: '0' };
  // The kernel ends it together with this process.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, 'operator/main.ts', 'gateway'], {
    env: { PATH: process.env['PATH'] ?? '', ...COMPILE_CACHE, ...ports, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const port = new Promise<number>((resolve, reject) => {
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      const [, found] = /"port":(\d+),.*"msg":"gateway serves"/.exec(log) ?? [];
      if (found !== undefined) resolve(Number(found));
    });
    ended.then(() => reject(new Error(`the gateway has ended before it served:\n${log}`)));
  });
  // Whoever waits for it hears of it.
  port.catch(() => {});
  return { child, port, ended };
}
