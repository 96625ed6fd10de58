package seen_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
)

// named is one manifest of an index, and what the index calls it.
type named struct{ platform, digest string }

// ordered puts an index there that names these, the first one first.
func (s shelf) ordered(children ...named) {
	list := []any{}
	for _, c := range children {
		rest, version, _ := strings.Cut(c.platform, ":")
		parts := append(strings.Split(rest, "/"), "")
		platform := map[string]string{"os": parts[0], "architecture": parts[1], "variant": parts[2], "os.version": version}
		list = append(list, map[string]any{"mediaType": registry.DockerManifest, "digest": c.digest, "size": len(s["manifests/"+c.digest].body), "platform": platform})
	}
	body, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": registry.DockerIndex, "manifests": list})
	s.manifest(registry.DockerIndex, body, version)
}

// --arch leaves out of an index what no runtime takes on that architecture, and nothing
// else: a name that only looks like another architecture's hides nothing.
func TestArchHidesNothingThatRuns(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	amd64, arm64 := "kube-proxy-amd64:"+version, "kube-proxy-arm64:"+version
	swap := func(layers [][]byte) { layers[len(layers)-1] = []byte("another program") }
	for _, tt := range []struct {
		evil, good string // as the index calls them
		arch       string
		want       report.Verdict
	}{
		{"linux/amd64", "linux/amd64", "amd64", report.Refuted},
		{"linux/amd64:6", "linux/amd64", "amd64", report.Refuted},
		{"linux/amd64/v1:6", "linux/amd64", "amd64", report.Refuted},
		{"linux/x86_64", "linux/amd64", "amd64", report.Refuted},
		{"linux/x86-64", "linux/amd64", "amd64", report.Refuted},
		{"linux/AMD64", "linux/amd64", "amd64", report.Refuted},
		{"Linux/amd64", "linux/amd64", "amd64", report.Refuted},
		{"/amd64", "linux/amd64", "amd64", report.Refuted},
		{"/", "linux/amd64", "amd64", report.Refuted},
		{"linux/", "linux/amd64", "amd64", report.Refuted},
		{"linux/aarch64", "linux/arm64", "arm64", report.Refuted},
		{"linux/arm64:6", "linux/arm64", "arm64", report.Refuted},
		{"linux/arm64/8", "linux/arm64", "arm64", report.Refuted},
		{"linux/i386", "linux/amd64/v3", "amd64", report.Refuted},
		{"linux/armhf", "linux/arm64/v9", "arm64", report.Refuted},
		{"unknown/unknown", "linux/amd64", "amd64", report.Refuted},
		{"linux/nonsense", "linux/amd64", "amd64", report.Refuted},
		// Where nothing nearer is named, a runtime takes these.
		{"linux/386", "linux/amd64/v3", "amd64", report.Refuted},
		{"linux/arm/v7", "linux/arm64/v9", "arm64", report.Refuted},
		// Windows is judged for the architectures that were asked for.
		{"windows/amd64", "linux/amd64", "amd64", report.Refuted},
		{"windows/amd64:10.0.17763.2928", "linux/amd64", "amd64", report.Refuted},
		{"windows/amd64:10.0.17763.2928", "linux/arm64", "arm64", report.Verified},
		// What was not asked for is left out.
		{"linux/arm64", "linux/amd64", "amd64", report.Verified},
		{"linux/arm64/v8", "linux/amd64", "amd64", report.Verified},
		{"linux/arm/v7", "linux/amd64", "amd64", report.Verified},
		{"linux/s390x:6", "linux/amd64", "amd64", report.Verified},
		{"linux/amd64", "linux/arm64", "arm64", report.Verified},
		{"linux/386", "linux/arm64", "arm64", report.Verified},
	} {
		t.Run(tt.arch+" "+tt.evil, func(t *testing.T) {
			t.Parallel()
			genuine := amd64
			if tt.arch == "arm64" {
				genuine = arm64
			}
			s := shelf{}
			bad, good := s.pushed(t, w, genuine, swap), s.pushed(t, w, genuine, nil)
			s.ordered(named{tt.evil, bad}, named{tt.good, good})
			ref, _ := registry.ParseRef(private)
			old := saved(t, w, strings.Replace(genuine, version, "v1.27.1", 1))
			for name, in := range map[string]seen.Input{
				"a private registry": {Subjects: []string{private}, Refs: []registry.Ref{ref}},
				"an archive":         archive(indexOf(called(tt.evil, old), called(tt.good, saved(t, w, genuine))), proxy),
			} {
				j := judge(t, w)
				j.Arches, j.Copies = []string{tt.arch}, &registry.Client{Fetch: &fetch.Client{Transport: s}}
				if rep := verdict(t, j, in); rep.Verdict() != tt.want {
					t.Errorf("%s: %s, want %s\n%s", name, rep.Verdict(), tt.want, tell(rep))
				}
				if j.Arches = nil; tt.want == report.Verified && verdict(t, j, in).Verdict() != report.Refuted {
					t.Errorf("%s: what was left out is not refuted where all is asked for", name)
				}
			}
		})
	}
}

// attestation is a manifest as buildkit writes it beside an image, which nothing runs.
func attestation() sight.Node {
	n := sight.Node{Role: sight.Manifest, Platform: "unknown/unknown", ConfigBytes: []byte(`{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)}
	n.Bytes = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`)
	n.Blob.Digest, n.Config = oci.DigestOf(n.Bytes), blob(n.ConfigBytes, "application/vnd.oci.image.config.v1+json")
	n.Blob.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	n.Layers = []sight.Blob{blob([]byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`), "application/vnd.in-toto+json")}
	return n
}

// What the released index calls unknown is no image, and no runtime takes it. In an index that
// somebody made anew it may be anything, and is judged, whatever was asked for.
func TestAttestationsBesideImages(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	released := copyOf(t, w, "kube-proxy:"+version)
	released.Children = append(slices.Clone(released.Children), attestation())
	anew := indexOf(called("linux/amd64", saved(t, w, "kube-proxy-amd64:"+version)), attestation())
	for name, tt := range map[string]struct {
		root sight.Node
		want report.Verdict
	}{"the released index": {released, report.Verified}, "an index that was made anew": {anew, report.Unknown}} {
		for _, arches := range [][]string{nil, {"amd64"}} {
			j := judge(t, w)
			j.Arches = arches
			if rep := verdict(t, j, archive(tt.root, proxy)); rep.Verdict() != tt.want {
				t.Errorf("%s, architectures %v: %s, want %s\n%s", name, arches, rep.Verdict(), tt.want, tell(rep))
			}
		}
	}
}
