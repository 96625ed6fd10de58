package seen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
)

// A trap is what looks like one thing in what other tools write, and is another. It is
// held here (in, want, says), by a test elsewhere (by, as FILE:TEXT from the project's
// root), or by none (why).
type trap struct {
	number int
	name   string
	in     seen.Input
	want   report.Verdict
	says   string
	by     string
	why    string
}

const eks = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.27.2-eksbuild.1"

func heldTraps(t *testing.T, w *world.World) []trap {
	list, amd64, arm64 := "kube-proxy:"+version, "kube-proxy-amd64:"+version, "kube-proxy-arm64:"+version
	index, config, none := digest(t, w, list), configOf(t, w, amd64), oci.DigestOf([]byte("none"))
	invented := saved(t, w, amd64)
	invented.Role, invented.Bytes = sight.Manifest, []byte(`{"schemaVersion":2}`)
	invented.Blob.Digest = oci.DigestOf(invented.Bytes)
	absent := saved(t, w, amd64)
	absent.Layers[0] = sight.Blob{Digest: absent.Layers[0].Digest, MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
	sparse := copyOf(t, w, list)
	for i, child := range sparse.Children[1:] {
		sparse.Children[i+1] = sight.Node{Role: sight.Manifest, Platform: child.Platform, Blob: sight.Blob{Digest: child.Blob.Digest}}
	}
	label := relabelled(t, saved(t, w, amd64), "Labels", map[string]string{"a": "b"})
	variant := called("linux/arm64/v8", copyOf(t, w, arm64))
	repeated := saved(t, w, amd64)
	repeated.Layers = append(repeated.Layers, repeated.Layers[len(repeated.Layers)-1])
	pod := func(name, digest string) seen.Input {
		return lines(sight.Sighting{Name: name, Digest: oci.Digest(digest), Reported: true})
	}
	return []trap{
		{number: 1, name: "an invented manifest around the genuine config", in: archive(invented, proxy), want: report.Verified, says: "its config is the genuine one"},
		{number: 2, name: "an id that is an index's", in: pod(proxy, index), want: report.Verified, says: "its index"},
		{number: 2, name: "an id that is a config's", in: pod(proxy, config), want: report.Verified, says: "its config"},
		{number: 3, name: "a config that was rewritten", in: archive(label, proxy), want: report.Unknown, says: "rewritten"},
		{number: 4, name: "two lists that disagree", in: twoLists(saved(t, w, amd64), label, []string{proxy}, nil), want: report.Refuted, says: "index.json another"},
		{number: 5, name: "an index without most of its children", in: archive(sparse, proxy), want: report.Verified, says: "the index is the one"},
		{number: 11, name: "a layer that stands once too often", in: archive(repeated, proxy), want: report.Refuted, says: "the genuine config names"},
		{number: 13, name: "a foreign layer that is absent", in: archive(absent, proxy), want: report.Unknown, says: "is not there"},
		{number: 14, name: "arm64 with the variant v8", in: archive(indexOf(variant), proxy), want: report.Verified},
		{number: 15, name: "layers that were unpacked", in: archive(invented, private), want: report.Verified, says: "all"},
		{number: 16, name: "a container that waits", in: pod(proxy, ""), want: report.Unknown, says: "no digest"},
		{number: 17, name: "a storage's id", in: lines(sight.Sighting{Name: proxy, Digest: oci.Digest(digest(t, w, "kube-scheduler:"+version)), Bare: true, Reported: true}), want: report.Unknown},
		{number: 18, name: "an id of 12 digits", in: lines(sight.Sighting{Name: proxy, Fault: "the id has 12 digits; give --no-trunc"}), want: report.Unknown, says: "--no-trunc"},
		{number: 19, name: "the name of an import", in: lines(sight.Sighting{Digest: oci.Digest(index), Reported: true}), want: report.Verified},
		{number: 22, name: "another tag of the same id", in: lines(sight.Sighting{Name: proxy, Others: []string{"registry.k8s.io/kube-proxy:v1.27.1"}, Digest: oci.Digest(index), Reported: true}), want: report.Refuted, says: "v1.27.1"},
		{number: 23, name: "a tag alone", in: lines(sight.Sighting{Name: proxy}), want: report.Verified},
		{number: 25, name: "a vendor's build beside ours", in: lines(sight.Sighting{Name: proxy, Digest: oci.Digest(index)}, sight.Sighting{Name: eks, Digest: none}), want: report.Verified},
		{number: 25, name: "a vendor's tag at our own name", in: pod(proxy+"-eksbuild.1", string(none)), want: report.Unknown},
		{number: 25, name: "a vendor's tag at a mapped name", in: pod(private+"-eksbuild.1", string(none)), want: report.Unknown},
		{number: 26, name: "nothing of ours", in: lines(sight.Sighting{Name: "docker.io/library/nginx:1", Digest: none}, sight.Sighting{Name: eks, Digest: oci.Digest(index)}), want: report.Unknown},
		{number: 27, name: "a name that nobody mapped", in: pod("mirror.example.com/kube-proxy:"+version, index), want: report.Unknown, says: "--as"},
		{number: 31, name: "the former registry", in: pod("k8s.gcr.io/kube-proxy:"+version, index), want: report.Verified},
		{number: 32, name: "tag and digest that disagree", in: lines(sight.Sighting{Name: proxy + "@" + digest(t, w, "kube-proxy:v1.27.1"), Digest: oci.Digest(index), Reported: true}), want: report.Refuted, says: "v1.27.1"},
	}
}

const (
	lists      = "pkg/sight/list_test.go:"
	containers = "pkg/sight/container/"
	formats    = "internal/render/formats_test.go:func TestFormats("
)

// What is held elsewhere: where the reader is that meets the trap.
var trapsElsewhere = []trap{
	{number: 6, name: "manifest.json of two forms", by: containers + "container_test.go:func TestWhatToolsWrite("},
	{number: 7, name: "crane's entry with a colon", by: containers + "container_test.go:func TestWhatToolsWrite("},
	{number: 8, name: "a path like oci:foo is a file name", why: "the program has no transports, so that there is nothing to hold"},
	{number: 9, name: "a tar of tars", by: containers + "container_test.go:func TestWhatIsNoContainer("},
	{number: 10, name: "hostile tars", by: containers + "hostile_test.go:func TestMalformedArchives("},
	{number: 10, name: "bombs", by: containers + "hostile_test.go:func TestPackedBomb("},
	{number: 12, name: "layers that are links", by: containers + "hostile_test.go:func TestLinksInArchives("},
	{number: 16, name: "ids with and without a scheme", by: "pkg/sight/digest_test.go:func TestReadID("},
	{number: 20, name: "a node's list that was cut off", by: lists + "func TestNodes("},
	{number: 21, name: "every container of a pod", by: lists + "func TestPods("},
	{number: 24, name: "kubeletVersion is a note", by: lists + "func TestNodes("},
	{number: 28, name: "a mapped registry's referrers", by: "pkg/seen/private_test.go:evidence was read there"},
	{number: 29, name: "another digest for the tag", by: "pkg/seen/private_test.go:func TestPrivateRegistries("},
	{number: 30, name: "projects, prefixes and kubeadm's coredns", by: "pkg/sight/names_test.go:func TestClassify("},
	{number: 33, name: "text that commands", by: "internal/render/formats_test.go:func TestHostileText("},
	{number: 34, name: "SARIF of a run without findings", by: formats},
	{number: 35, name: "upload-sarif after a failure", why: "a workflow's condition, which only a runner obeys"},
	{number: 36, name: "two uploads of one category", why: "the category is an input of the Action, which only a runner gives"},
	{number: 37, name: "paths that name a machine", by: "internal/render/sarif.go:%SRCROOT%"},
	{number: 38, name: "advice in JUnit's text", by: formats},
	{number: 39, name: "an exit code behind a pipe", why: "the shell's, and a matter of documentation"},
	{number: 40, name: "no statement of a partial run", by: "internal/render/statements_test.go:func TestStatementsRefused("},
	{number: 41, name: "stripped programs", why: "needs a package of pkgs.k8s.io; the program's words are rebuilt or stripped"},
	{number: 42, name: "a package's revision", by: "pkg/sight/packages/package_test.go:func TestReleaseOfPackage("},
	{number: 43, name: "another distributor's rebuild", why: "as 41"},
	{number: 44, name: "a verifier that is not called", why: "containerd's configuration, and a matter of documentation"},
	{number: 45, name: "ten seconds for a cold cache", why: "a matter of the network and of documentation"},
	{number: 46, name: "10,000 pods", by: "pkg/seen/cost_test.go:func TestTenThousandPods("},
	{number: 47, name: "paths and references of Windows", why: "needs that system; cmd/kverify's tests of paths run there"},
	{number: 48, name: "standard input read once", by: "cmd/kverify/testdata/pulled.txtar:read once"},
	{number: 49, name: "byte order marks", by: "pkg/sight/refused_test.go:func TestWhatIsNoList("},
	{number: 50, name: "another tool's report", by: "pkg/sight/refused_test.go:func TestWhatIsNoList("},
}

// TestTraps holds all 50, by number. None may be left out, and what a line points at exists.
func TestTraps(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	held := map[int]bool{}
	for _, tt := range heldTraps(t, w) {
		held[tt.number] = true
		checkRows(t, w, []row{{name: tt.name, in: tt.in, want: tt.want, says: tt.says}})
	}
	for _, tt := range trapsElsewhere {
		held[tt.number] = true
		if tt.by == "" && tt.why == "" {
			t.Errorf("trap %d, %s: nothing says where it is held", tt.number, tt.name)
		}
		file, text, ok := strings.Cut(tt.by, ":")
		if !ok {
			continue
		}
		if b, err := os.ReadFile(filepath.Join("../..", file)); err != nil || !strings.Contains(string(b), text) {
			t.Errorf("trap %d, %s: %s does not hold %q (%v)", tt.number, tt.name, file, text, err)
		}
	}
	for n := 1; n <= 50; n++ {
		if !held[n] {
			t.Errorf("trap %d is not in the table", n)
		}
	}
}
