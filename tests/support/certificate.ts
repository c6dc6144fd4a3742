// A certificate that a test makes for itself, as DER by hand (RFC 5280): Node can sign, but has no word for certificates.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export type Certificate = { readonly certificate: string; readonly key: string };

/** Signed by itself, so that it is its own authority; for 127.0.0.1 and the given names, valid for a day. PEM. */
export function createCertificate(names: readonly string[] = ['localhost']): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
  const name = sequence(set(sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('test')))));
  const now = Date.now();
  const alternatives = [...names.map((dns) => der(0x82, Buffer.from(dns))), der(0x87, Buffer.from([127, 0, 0, 1]))];
  const extensions = sequence(
    // Basic constraints: an authority; then the subject's alternative names.
    sequence(Buffer.from('0603551d13', 'hex'), der(0x04, sequence(Buffer.from('0101ff', 'hex')))),
    sequence(Buffer.from('0603551d11', 'hex'), der(0x04, sequence(...alternatives))),
  );
  const content = sequence(
    der(0xa0, Buffer.from('020102', 'hex')),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(time(now - 3_600_000), time(now + 86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', content, privateKey);
  const certificate = sequence(content, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    certificate: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, Buffer.concat(parts));
const set = (...parts: readonly Buffer[]) => der(0x31, Buffer.concat(parts));

function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\.\d+|[-:T]/g, '');
  return der(0x18, Buffer.from(digits));
}
