package web

import "github.com/kverify/kverify/pkg/report"

// A word is one that the page uses in a sense of its own.
type word struct{ Name, Means string }

// words are explained at the foot of the page, and where they stand.
var words = []word{
	{report.Verified.String(), "It is proved, under the trusted root and the policy that the page names."},
	{report.Refuted.String(), "Something that was read contradicts it. The server withholds it."},
	{report.Unknown.String(), "Nothing proves it, and nothing contradicts it. The server hands it out, and says so."},
	{report.Inventory, "Is everything there that the release must have, by the SBOM, the CHANGELOG and kverify’s own list?"},
	{report.Digest, "Do the bytes hash to this digest, and do all documents that name them say the same?"},
	{report.Signature, "Did the identity that the policy demands sign exactly this digest, and does a public log know of it?"},
	{report.Reference, "Is the name inside of the signature the name of this very image, and not of another one?"},
	{report.Binding, "Which document ties this digest to this version, so that an old image cannot pass for a new one?"},
	{report.Signed.String(), "The claim stands in a document that its author signed."},
	{report.Embedded.String(), "The claim is compiled into kverify."},
	{report.Published.String(), "The claim was read from its publisher’s own host."},
	{report.Vouched.String(), "The operator of this mirror signed that it was read from its publisher’s own host."},
	{report.Carried.String(), "The claim came with the mirror. It can contradict, and proves nothing."},
	{"index", "The image as a whole: it names one image for each platform."},
	{"trusted root", "The keys of the authorities and logs that signatures are checked against."},
	{"policy", "Who must have signed what, and which checks must hold."},
}

// meaning explains a word; "" if it has no sense of its own.
func meaning(name string) string {
	for _, w := range words {
		if w.Name == name {
			return w.Means
		}
	}
	return ""
}
