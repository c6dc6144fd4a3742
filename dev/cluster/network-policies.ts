// NetworkPolicies that are enforced in the native cluster: the firewall of kube-router, compiled here, beside kube-proxy.
import { join } from 'node:path';
import { execa } from 'execa';
import { compileGo } from '../go-programs.ts';
import type { Step, StepContext } from '../steps.ts';
import { nodeName, serviceSubnet } from './addresses.ts';
import type { Program } from './control-plane.ts';
import { ensureDaemon, findDaemons, logPath, stopDaemons } from './daemons.ts';
import { adminKubeconfig } from './node.ts';

const NAME = 'kube-router';
const PACKAGE = 'github.com/cloudnativelabs/kube-router/v2/cmd/kube-router';

/** Brings the firewall up; until `stopEnforcingSteps`, or until the cluster goes. */
export const enforcingSteps: Step[] = [
  {
    title: 'Firewall for NetworkPolicies',
    timeoutSeconds: 900,
    fix: `it needs Go, iptables and ipset; its log is ${logPath(NAME)}`,
    run: async ({ report, signal }) => {
      const path = await compile(report, signal);
      return (await ensureDaemon(firewall(path))) ? undefined : 'already running';
    },
  },
];

export const stopEnforcingSteps: Step[] = [
  {
    title: 'Stop the firewall for NetworkPolicies',
    timeoutSeconds: 60,
    run: async ({ signal }) => {
      await stopDaemons((await findDaemons()).filter(({ name }) => name.startsWith(NAME)));
      await removeFirewall(signal);
      return undefined;
    },
  },
];

function firewall(path: string): Program {
  return {
    name: NAME,
    path,
    args: [
      `--kubeconfig=${adminKubeconfig}`,
      `--hostname-override=${nodeName}`,
      `--service-cluster-ip-range=${serviceSubnet}`,
      '--run-firewall=true',
      '--run-router=false',
      '--run-service-proxy=false',
      '--enable-cni=false',
      '--health-port=0',
      '--metrics-port=0',
      '--v=1',
    ],
  };
}

/** The path of the program, compiled when what it is made of has changed (about two minutes, needs Go). */
async function compile(report: StepContext['report'], signal: AbortSignal): Promise<string> {
  const onCompile = () => report('compiling it (only the first time, 2 min on 2 cores)');
  return join(await compileGo({ folder: NAME, packages: [PACKAGE] }, onCompile, signal), NAME);
}

/** Its rules stay when it ends, and would go on dropping packets. */
export async function removeFirewall(signal: AbortSignal): Promise<void> {
  const options = { cancelSignal: signal, reject: false, stdin: 'ignore' } as const;
  const { stdout, exitCode } = await execa('iptables-save', ['-t', 'filter'], options);
  if (exitCode !== 0) return; // no iptables, no rules
  const ours = /KUBE-(ROUTER|POD-FW|NWPLCY)/;
  const lines = stdout.split('\n');
  if (!lines.some((line) => ours.test(line))) return;
  const input = `${lines.filter((line) => !ours.test(line)).join('\n')}\n`;
  await execa('iptables-restore', { input, cancelSignal: signal });
  const sets = await execa('ipset', ['list', '-name'], options);
  const names = sets.stdout.split('\n').filter((name) => /^(KUBE-|inet6:KUBE-|kube-router-)/.test(name));
  for (const name of names) await execa('ipset', ['destroy', name], options);
}
