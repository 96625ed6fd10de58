package render

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// expected is what each check wants to find.
var expected = map[string]string{
	report.Inventory:  "every image and platform that kverify's own list, the SBOM and the CHANGELOG name",
	report.Digest:     "bytes that hash to their digest, and the same digest and platform wherever they are named",
	report.Copy:       "an index, manifest or config of the image that its name says, or what a known converter writes of one, with all of its layers",
	report.Signature:  "a signature over exactly this digest by the identity that the policy demands, with a certificate of a known authority and an entry in a known log",
	report.Reference:  "a name of this very image inside of the signature (the docker-reference)",
	report.Binding:    "a signed, published or built-in document that gives this digest to this version",
	report.Anchor:     "an SBOM whose layers are those of the release's images, which another identity signed",
	report.Contents:   "the program of the release, byte for byte, at its place inside of the image",
	report.Staging:    "a signature from when the image was built, by krel-staging",
	report.Promotion:  "a signed record of the image's promotion",
	report.VSA:        "a signed summary that the image's verification passed",
	report.Provenance: "a signed statement of how the image was built",
}

// meanings say what a reason is, to a reader who meets it for the first time.
var meanings = map[report.Reason]string{
	report.Absent:      "The answer was that there is none. That is no proof of an attack, and no proof of the contrary.",
	report.Unreachable: "No usable answer came, so that nothing can be said either way.",
	report.Malformed:   "Something came that cannot be read as what it should be: often a login page or a proxy's error.",
	report.Limit:       "It is larger, or there is more of it, than anything genuine is known to be, so that it was not read.",
	report.NotReleased: "Upstream's own documents know no such version, and nothing of it was found.",
	report.Untrusted:   "It is signed, but by an identity that the policy or the trusted root does not know.",
	report.NoClaim:     "Nothing contradicts it. But nothing that can be believed says that it is what it is said to be.",
	report.Mismatch:    "Two things that must be equal differ. This is a contradiction: do not use these bytes.",
	report.OtherBytes:  "The release's own lists agree on these bytes, and its signature is for others.",
	report.Forged:      "A signature, certificate or log entry claims to be genuine and is not. Do not use these bytes.",
	report.Incomplete:  "Something that a release always has is not there.",
	report.Interrupted: "The run ended before this was looked at.",
	report.Internal:    "kverify itself failed here.",
}

// advice says what to do about a check that is not verified.
func advice(c report.Check) string {
	switch c.Reason {
	case report.Absent:
		switch c.Name {
		case report.Signature, report.Reference:
			return "If the release is some days old at most, its promotion may be unfinished: try later. With a mirror or a private registry, see whether signatures (tags that end in .sig) were copied too. Otherwise take another patch, and see kverify help incidents."
		case report.Promotion, report.VSA, report.Provenance, report.Staging:
			return "Older images have none. Leave the check out of --require for them."
		}
		return "See that the name and the version are right; kverify mirror show lists what a mirror holds."
	case report.Unreachable:
		return "Look at the network, the proxy or the mirror, and run it again; -v shows each request."
	case report.Malformed:
		return "Look at what the address answers; -v shows each request. Behind a proxy, see whether it requires a login."
	case report.Limit:
		return "Take the image from another source and compare."
	case report.NotReleased:
		return "kverify releases lists what exists."
	case report.Untrusted:
		return "If the image is newer than this kverify, its trusted root may be older than the signature: kverify trust update FILE fetches the newest, --trusted-root FILE uses it. If not, do not use the image."
	case report.NoClaim:
		if c.Name == report.Binding {
			return "Run it where the publishers' hosts can be reached, or carry the release's SBOM along with its signature. Until then who signed it is known, and which version it is, is not."
		}
		return "See what else failed: this check rests on it."
	case report.Mismatch, report.Forged:
		return "Do not use it. Fetch it anew from registry.k8s.io or dl.k8s.io and compare. If it is the same there, report it to security@kubernetes.io; if not, the source that served this one is at fault."
	case report.OtherBytes:
		return "See kverify help incidents. If none fits, take another patch."
	case report.Incomplete:
		return "Look for the missing part at the source; a mirror may have been made without it."
	case report.Interrupted:
		return "Run it again, with a longer --timeout if that ended it."
	case report.Internal:
		return "Please report it, with the command and the version."
	}
	return "Look at the detail above."
}

// cure says in few words what to do about a trouble, where that is known; else it is empty,
// and the story says more. It is not escaped.
func cure(x trouble, command []string) string {
	pushed := len(command) > 1 && command[0] == "mirror" && command[1] == "push"
	mirrored := slices.ContainsFunc(command, func(w string) bool {
		return w == "mirror" || w == "--mirror" || strings.HasPrefix(w, "--mirror=")
	})
	c := x.check
	switch {
	case c.Verdict == report.Refuted:
		return "do not use it"
	case x.todo != "" && mirrored: // a mirror is in use already
		return strings.TrimSuffix(x.todo, ", or use a mirror (--mirror DIR)")
	case x.todo != "":
		return x.todo
	}
	switch c.Reason {
	case report.Interrupted:
		if strings.Contains(x.cause, "--timeout") {
			return "run it again with a longer --timeout"
		}
		if pushed {
			return "run it again: what the registry has is not sent again"
		}
		return "run it again"
	case report.Unreachable:
		return "look at the network, the proxy or the mirror, and run it again (-v shows each request)"
	case report.Untrusted:
		return "if this is genuine, the trusted root is too old, or it is another's: kverify trust update FILE fetches the newest, --trusted-root FILE uses it"
	case report.NotReleased:
		return "kverify releases lists what exists"
	case report.Absent:
		if c.Name == report.Signature {
			return "if the release is days old, try later; in a mirror or a registry of your own, see that signatures (tags that end in .sig) were copied; see kverify help incidents"
		}
	case report.NoClaim:
		if c.Name == report.Binding && strings.Contains(c.Detail, "carried") {
			return "run it where the publishers can be reached, or have the mirror signed by its operator (--sign-key) and give --key"
		}
	}
	return ""
}
