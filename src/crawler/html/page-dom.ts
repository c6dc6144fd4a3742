// A document as it is read: one parsed from HTML, or one in the browser.

/** The little that has to be known of a document. */
export type PageDom<Node> = {
  /** Descendants in the root's own tree that match, in document order; `limit` at most. */
  readonly select: (root: Node, selector: string, limit: number) => Node[];
  /** Trees within the root that its selectors do not reach: open shadow trees, documents of frames of the same site. */
  readonly inner: (root: Node) => readonly Node[];
  /** The documents of the other frames, as references of this document. */
  readonly frames: (document: Node) => {
    readonly addresses: string[];
    /** There are trees and frames that were not looked into. */
    readonly hasMore: boolean;
  };
  /** What the document's references are relative to, as far as it says. */
  readonly base: (document: Node) => string | null;
  readonly attribute: (element: Node, name: string) => string | null;
  /** Lower-case tag name; null for what is no element. */
  readonly tag: (node: Node) => string | null;
  /** The characters of a text node; null for any other. */
  readonly characters: (node: Node) => string | null;
  /** With those of its shadow tree, which come first. */
  readonly children: (node: Node) => ArrayLike<Node>;
  readonly parent: (node: Node) => Node | null;
  /** Of the document, as the Encoding standard names it: queries of its links are written in it. */
  readonly encoding: (document: Node) => string;
  /** The document as text: as it was sent, or as it stands in the browser. */
  readonly html: (document: Node) => string;
};
