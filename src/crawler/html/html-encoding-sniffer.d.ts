// The package comes without types.
declare module 'html-encoding-sniffer' {
  /** The name of the encoding of a document's bytes, by its own algorithm for HTML or for XML. */
  export default function sniffEncoding(
    bytes: Uint8Array,
    options?: {
      readonly xml?: boolean;
      readonly transportLayerEncodingLabel?: string;
      /** What is answered when nothing names an encoding. */
      readonly defaultEncoding?: string;
      /** How far a <meta> is looked for; of HTML alone. */
      readonly maxPrescanBytes?: number;
    },
  ): string;
}
