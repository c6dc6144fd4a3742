// Whether the claim that spec.output names can take the file of a run. Pure function.
import type { PersistentVolumeClaim } from '../../kube/builtin-types.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

/** `VolumeClaimMissing` may mend itself; `VolumeClaimUnsuitable` cannot, since access modes and runs never change. */
export type VolumeClaimTrouble = {
  readonly reason: 'VolumeClaimMissing' | 'VolumeClaimUnsuitable';
  readonly message: string;
};

/** What keeps the run's pods from writing to the claim; undefined when nothing does. */
export function volumeClaimTrouble(
  { output, workers }: CrawlRunSpec,
  claim: PersistentVolumeClaim | undefined,
): VolumeClaimTrouble | undefined {
  if (output === undefined) return undefined;
  const name = `PersistentVolumeClaim "${output.volumeClaim}"`;
  if (claim === undefined) {
    const message = `spec.output.volumeClaim: there is no ${name} in this namespace; the run starts when there is`;
    return { reason: 'VolumeClaimMissing', message };
  }
  const modes = claim.spec?.accessModes ?? [];
  if (modes.includes('ReadWriteMany')) return undefined;
  if (modes.includes('ReadWriteOnce') || modes.includes('ReadWriteOncePod')) {
    if (workers === 1) return undefined;
    const message = `spec.output.volumeClaim: ${name} can be mounted on one node only (${modes.join(', ')}), and the run has ${workers} workers, any of which may have to write the file: use one worker, or a claim with ReadWriteMany`;
    return { reason: 'VolumeClaimUnsuitable', message };
  }
  const message = `spec.output.volumeClaim: ${name} cannot be written to (${modes.join(', ') || 'no access mode'})`;
  return { reason: 'VolumeClaimUnsuitable', message };
}
