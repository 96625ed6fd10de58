// Package sigstore says what one signature proves. It knows no release, no image
// and no network: it is given bytes, a trusted root and who must have signed, and
// answers with a proof or an error.
//
// Three forms of signature are read, each strictly and before any cryptography:
//
//   - a [Bundle], which holds all that a proof needs: [ParseBundle], then
//     [Bundle.Verify] for a [Signer] and a [Digest];
//   - a [Signature], one layer of cosign's ".sig" manifest, whose payload is fetched
//     apart: [ParseSignature], [Signature.ReadEntry], then [SignatureVerifier.Verify];
//   - a [DetachedSignature], a file's signature and certificate, whose log entry is
//     looked up: [ParseDetached], [CountEntries], then [DetachedSignature.Bundle] and
//     [LoggedSignature.Verify].
//
// A proof has the same parts in each of them. The certificate's chain leads to an
// authority of the trusted root, and a certificate transparency log has it. Its
// issuer and its one name are exactly those that were asked for. A transparency log
// that the root knows has an entry of this very signature. The certificate was valid
// at a time that the log or a timestamp authority signed: an inclusion proof alone
// says nothing about time, and the local clock is never asked. The signature is over
// these bytes.
//
// An error of a reader (Parse..., Read...) means that something cannot be read, not
// that it is false. An error of Verify means that it contradicts what it claims,
// unless its authority or log is one that the root does not know, which
// [Bundle.Undecidable], [Signature.UnknownAuthority] and their like say first.
//
// The arithmetic is that of sigstore-go and cosign, whose one home this package is.
// What they leave open is held here, and each place says why.
package sigstore
