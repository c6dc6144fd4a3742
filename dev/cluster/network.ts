// The native cluster's network on the host: one bridge for pods and node, and their way out.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { bridgeHardwareAddress, bridgeName, nodeAddress, podSubnet } from './addresses.ts';

const table = 'trawler';
const bridgeFilter = '/proc/sys/net/bridge/bridge-nf-call-iptables';

async function ip(signal: AbortSignal, ...args: string[]): Promise<void> {
  await execa('ip', args, { cancelSignal: signal, stdin: 'ignore' });
}

/** Makes the bridge, forwards between it and the world, and masquerades what leaves the pods' subnet. */
export async function ensureNetwork(signal: AbortSignal): Promise<void> {
  if (!existsSync(`/sys/class/net/${bridgeName}`)) await ip(signal, 'link', 'add', bridgeName, 'type', 'bridge');
  // Pods send what is for a Service to the address that they know: when that changed, they reached none for minutes.
  await ip(signal, 'link', 'set', bridgeName, 'address', bridgeHardwareAddress);
  await ip(signal, 'addr', 'replace', `${nodeAddress}/24`, 'dev', bridgeName);
  await ip(signal, 'link', 'set', bridgeName, 'up');
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
  await filterBridgedTraffic(signal);
  await execa('nft', ['-f', '-'], { input: masquerade, cancelSignal: signal });
}

// Declaring the table first makes deleting it valid whether or not it was there.
const masquerade = `
table ip ${table} {}
delete table ip ${table}
table ip ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr ${podSubnet} ip daddr != ${podSubnet} masquerade
  }
}
`;

/** Answers of Services between pods of one bridge are only translated back when the host's filters see them. */
async function filterBridgedTraffic(signal: AbortSignal): Promise<void> {
  if (!existsSync(bridgeFilter)) {
    await execa('modprobe', ['br_netfilter'], { reject: false, cancelSignal: signal, stdin: 'ignore' });
  }
  if (existsSync(bridgeFilter)) await writeFile(bridgeFilter, '1');
}

/** Whether Services work between pods without rewriting the sender's address. */
export function bridgedTrafficIsFiltered(): boolean {
  return existsSync(bridgeFilter);
}

/** Removes the bridge (and with it every pod's interface) and our tables and kube-proxy's. */
export async function removeNetwork(signal: AbortSignal): Promise<void> {
  if (existsSync(`/sys/class/net/${bridgeName}`)) await ip(signal, 'link', 'del', bridgeName);
  const families = [`ip ${table}`, 'ip kube-proxy', 'ip6 kube-proxy'];
  const commands = families.map((name) => `table ${name} {}\ndelete table ${name}\n`);
  await execa('nft', ['-f', '-'], { input: commands.join(''), cancelSignal: signal });
}
