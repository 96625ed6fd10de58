package sight

import (
	"bytes"
	"slices"
)

const (
	saved  = "a saved report" // what several tools write of what they judged
	inSPDX = "an SBOM in SPDX"
)

// aliens tells by their members documents that are no lists, and would else be
// called unknown.
var aliens = []struct {
	members []string
	what    string
}{
	{[]string{"results", "trustedRoot"}, saved + " of kverify"},
	{[]string{"ArtifactName"}, saved + " of trivy"},
	{[]string{"matches", "descriptor"}, saved + " of grype"},
	{[]string{"runs", "version"}, saved + " in SARIF"},
	{[]string{"artifacts", "descriptor"}, "an SBOM of syft"},
	{[]string{"spdxVersion"}, inSPDX},
	{[]string{"bomFormat"}, "an SBOM in CycloneDX"},
	{[]string{"predicateType"}, "an in-toto statement"},
	{[]string{"payloadType"}, "a DSSE envelope"},
	{[]string{"verificationMaterial"}, "a Sigstore bundle"},
	{[]string{"critical"}, "the payload of a signature"},
	{[]string{"manifests"}, "an index of images"},
	{[]string{"Config", "Layers"}, "the manifest.json of an archive"},
	{[]string{"config", "layers"}, "an image's manifest"},
	{[]string{"State", "Image"}, "a container of docker or podman"},
	{[]string{"Image", "Names"}, "a table of containers"},
	{[]string{"containers"}, "a list of containers of crictl"},
	{[]string{"services"}, "a compose file"},
}

// alien says what a document with these members is, or nothing.
func alien(members []string) string {
	for _, a := range aliens {
		if !slices.ContainsFunc(a.members, func(m string) bool { return !slices.Contains(members, m) }) {
			return a.what
		}
	}
	return ""
}

// Shapes says what a list may be, for a message.
const Shapes = "a list is lines (a reference, sha256:… or a version each), the JSON of crictl images or inspecti, docker image inspect or " +
	"docker image ls --digests --no-trunc --format json, podman images or inspect, kubectl get … -o json or yaml, Kubernetes' YAML, or kubeadm config images list"

func alienHint(what string) string {
	switch what {
	case saved + " of kverify", saved + " of trivy", saved + " of grype", saved + " in SARIF":
		return "kverify report FILE shows a report of kverify; no report is a list"
	case "an index of images", "the manifest.json of an archive", "an image's manifest":
		return "give the directory or archive that it is of, as ./PATH without -f"
	case "a container of docker or podman", "a table of containers":
		return "give the images: docker image inspect $(docker ps --format '{{.Image}}')"
	case "a list of containers of crictl":
		return "give the images: crictl images -o json"
	}
	return Shapes
}

// isMarkdown says whether a line begins as only Markdown's do: with a fence, a link, or an
// item or text in bold. A heading alone is a comment to YAML and lines.
func isMarkdown(head []byte) bool {
	if bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")) {
		return false
	}
	for line := range bytes.Lines(head) {
		if bytes.HasPrefix(line, []byte("```")) || bytes.HasPrefix(line, []byte("* ")) || bytes.HasPrefix(line, []byte("**")) {
			return true
		}
		item := bytes.TrimPrefix(bytes.TrimPrefix(line, []byte("- ")), []byte("!"))
		label, _, linked := bytes.Cut(item, []byte("]("))
		if linked && bytes.HasPrefix(label, []byte("[")) && !bytes.ContainsAny(label, `"`) { // in JSON it would stand in a text
			return true
		}
	}
	return false
}

// magics are the first bytes of what holds images or programs itself.
var magics = []struct {
	at    int
	bytes string
	what  string
}{
	{0, "\x1f\x8b", "a gzip archive"},
	{0, "\x28\xb5\x2f\xfd", "a zstd archive"},
	{0, "\xfd7zXZ\x00", "an xz archive"},
	{0, "PK\x03\x04", "a zip archive"},
	{257, "ustar", "a tar archive"},
	{0, "!<arch>\n", "a deb package"},
	{0, "\xed\xab\xee\xdb", "an rpm package"},
	{0, "\x7fELF", "a program"},
	{0, "\xcf\xfa\xed\xfe", "a program"},
	{0, "MZ\x90\x00", "a program"},
}

// notText says what bytes are that are no text, and what to do.
func notText(head []byte) (what, hint string) {
	for _, m := range magics {
		if bytes.HasPrefix(head[min(m.at, len(head)):], []byte(m.bytes)) {
			return m.what, "a path is itself judged: give it as ./PATH without -f, which names a list"
		}
	}
	const utf8 = "PowerShell writes UTF-8 with: | Out-File -Encoding utf8 FILE, or [Console]::OutputEncoding = [Text.Encoding]::UTF8 before a pipe"
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "text in UTF-16", utf8
	case len(head) > 3 && (head[0] == 0) == (head[2] == 0) && (head[1] == 0) == (head[3] == 0) && (head[0] == 0) != (head[1] == 0): // every other byte
		return "text in UTF-16", utf8
	case bytes.IndexByte(head, 0) >= 0:
		return "no text: there is a NUL byte in it", "a path is itself judged: give it as ./PATH without -f, which names a list"
	}
	return "", ""
}
