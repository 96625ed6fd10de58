// Package claims joins what the documents of one release say: its SBOM, CHANGELOG,
// checksum lists, provenance and promotion manifest. It proves the signatures of those
// that have one, and says of each claim how strong it is: signed, published, vouched
// or carried (rules 8 to 10 of docs/trust.md). What is only carried can refute and
// never verify.
//
// It judges words, no bytes: package files holds bytes of files against them, and
// package verify the images.
package claims
