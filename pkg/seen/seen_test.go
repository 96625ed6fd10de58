package seen_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
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
	"github.com/kverify/kverify/pkg/sight/container"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const version = "v1.27.2"

func judge(t testing.TB, w *world.World) *seen.Judge {
	t.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	aliases, err := sight.ParseMapping("registry.k8s.io", "harbor.example.com/k8s=registry.k8s.io")
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Transport: w}
	return &seen.Judge{
		Verifier: &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root},
		Names:    sight.Names{Registry: "registry.k8s.io", Inventory: []string{"kube-apiserver", "kube-proxy", "kube-scheduler"}, Architectures: []string{"amd64", "arm64"}, Map: aliases},
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// copyOf is an image as a tool writes it that keeps manifests: an index with its platforms.
func copyOf(t testing.TB, w *world.World, ref string) sight.Node {
	t.Helper()
	m, ok := w.Manifest(ref)
	if !ok {
		t.Fatalf("the world has no %s", ref)
	}
	repo := strings.FieldsFunc(ref, func(r rune) bool { return r == ':' || r == '@' })[0]
	n := sight.Node{Blob: sight.Blob{Digest: oci.Digest(m.Digest()), MediaType: m.MediaType}, Bytes: m.Body}
	idx, img, err := registry.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if idx != nil {
		n.Role = sight.Index
		for _, d := range idx.Manifests {
			child := copyOf(t, w, repo+"@"+string(d.Digest))
			child.Platform = d.Platform.String()
			n.Children = append(n.Children, child)
		}
		return n
	}
	n.Role = sight.Manifest
	n.ConfigBytes = w.Blob(string(img.Config.Digest))
	n.Config = blob(n.ConfigBytes, img.Config.MediaType)
	for _, d := range img.Layers {
		n.Layers = append(n.Layers, blob(w.Blob(string(d.Digest)), d.MediaType))
	}
	return n
}

func blob(b []byte, mediaType string) sight.Blob {
	return container.Layer(registry.Descriptor{Digest: oci.Digest(digestOf(b)), Size: int64(len(b)), MediaType: mediaType}, func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b)), nil
	})
}

// saved is one platform as docker save has it: a config, and layers unpacked.
func saved(t testing.TB, w *world.World, ref string) sight.Node {
	n := copyOf(t, w, ref)
	out := sight.Node{Role: sight.Config, Config: n.Config, ConfigBytes: n.ConfigBytes}
	idx, img, _ := registry.ParseManifest(n.Blob.MediaType, n.Bytes)
	if idx != nil {
		t.Fatalf("%s is an index", ref)
	}
	for _, d := range img.Layers {
		out.Layers = append(out.Layers, blob(unpacked(t, w.Blob(string(d.Digest))), ""))
	}
	return out
}

func unpacked(t testing.TB, b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func archive(n sight.Node, names ...string) seen.Input {
	return seen.Input{Subjects: []string{"./images.tar"}, Copies: []seen.Container{{Name: "images.tar", Copies: []sight.Copy{{
		Names: names, List: "manifest.json", Place: report.Place{Source: "images.tar", Entry: "manifest.json"}, Root: n,
	}}}}}
}

func lines(l ...sight.Sighting) seen.Input {
	return seen.Input{Subjects: []string{"-f -"}, Lists: []iter.Seq2[sight.Sighting, error]{func(yield func(sight.Sighting, error) bool) {
		for i, one := range l {
			one.Place = report.Place{Source: "-", Line: i + 1}
			if !yield(one, nil) {
				return
			}
		}
	}}}
}

func verdict(t testing.TB, j *seen.Judge, in seen.Input) report.Report {
	t.Helper()
	rep, err := j.Judge(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func tell(rep report.Report) string {
	var b strings.Builder
	for _, res := range rep.Results {
		fmt.Fprintf(&b, "%s %s %s: %s (%d places)\n", res.Subject, res.Platform, res.Digest, res.Verdict(), len(res.Places))
		for _, c := range res.Checks {
			if c.Verdict != report.Verified || c.Name == report.Copy {
				fmt.Fprintf(&b, "    %s %s %s: %s\n", c.Name, c.Verdict, c.Reason, c.Detail)
			}
		}
	}
	return b.String()
}

const (
	proxy   = "registry.k8s.io/kube-proxy:" + version
	private = "harbor.example.com/k8s/kube-proxy:" + version
)

func digest(t testing.TB, w *world.World, ref string) string {
	t.Helper()
	d := w.Digest(ref)
	if d == "" {
		t.Fatalf("the world has no %s", ref)
	}
	return d
}

func configOf(t testing.TB, w *world.World, ref string) string {
	return string(copyOf(t, w, ref).Config.Digest)
}

// Each row is something that another tool wrote, and what must come of it.
func TestCopies(t *testing.T) {
	honest := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	amd64 := "kube-proxy-amd64:" + version
	with := func(n sight.Node, change func(*sight.Node)) sight.Node {
		n.Layers, n.Children = slices.Clone(n.Layers), slices.Clone(n.Children)
		change(&n)
		return n
	}
	other := blob([]byte("not a layer of Kubernetes"), "")
	entrypoint := func(b []byte, set map[string]any) []byte {
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		inner, _ := m["config"].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		for k, v := range set {
			inner[k] = v
		}
		m["config"] = inner
		out, _ := json.Marshal(m)
		return out
	}
	for _, tt := range []struct {
		name string
		in   seen.Input
		want report.Verdict
		says string
	}{
		{"an index with its platforms", archive(copyOf(t, honest, "kube-proxy:"+version), proxy), report.Verified, "the index is the one"},
		{"one platform's manifest", archive(copyOf(t, honest, amd64), proxy), report.Verified, "its manifest is the genuine one"},
		{"a config with its layers unpacked", archive(saved(t, honest, amd64), proxy), report.Verified, "its config is the genuine one"},
		{"the same under a mapped name", archive(saved(t, honest, amd64), private), report.Verified, "its config is the genuine one"},
		{"the same under the name of its architecture", archive(saved(t, honest, amd64), "registry.k8s.io/kube-proxy-amd64:"+version), report.Verified, ""},
		{"an index with one platform only", archive(with(copyOf(t, honest, "kube-proxy:"+version), func(n *sight.Node) {
			for i := range n.Children[1:] {
				n.Children[i+1] = sight.Node{Role: sight.Manifest, Platform: n.Children[i+1].Platform, Blob: sight.Blob{Digest: n.Children[i+1].Blob.Digest}}
			}
		}), proxy), report.Verified, ""},
		{"an index without any platform", archive(with(copyOf(t, honest, "kube-proxy:"+version), func(n *sight.Node) {
			for i := range n.Children {
				n.Children[i] = sight.Node{Role: sight.Manifest, Blob: sight.Blob{Digest: n.Children[i].Blob.Digest}}
			}
		}), proxy), report.Unknown, "no platform of it lies there whole"},

		{"another image under this name", archive(saved(t, honest, "kube-scheduler-amd64:"+version), proxy), report.Refuted, "it is not"},
		{"another image's index under this name", archive(copyOf(t, honest, "kube-scheduler:"+version), proxy), report.Refuted, ""},
		{"an older version under this tag", archive(saved(t, honest, "kube-proxy-amd64:v1.27.1"), proxy), report.Refuted, "it is not"},
		{"another architecture under the name of this one", archive(saved(t, honest, "kube-proxy-arm64:"+version), "registry.k8s.io/kube-proxy-amd64:"+version), report.Refuted, "linux/arm64"},
		{"a list that calls arm64 amd64", archive(with(copyOf(t, honest, "kube-proxy:"+version), func(n *sight.Node) {
			n.Bytes, n.Blob = []byte(`{"schemaVersion":2}`), sight.Blob{}
			n.Children = slices.DeleteFunc(n.Children, func(c sight.Node) bool { return c.Platform != "linux/arm64" })
			n.Children[0].Platform = "linux/amd64"
		}), proxy), report.Refuted, "linux/arm64"},
		{"a genuine index with another platform's bytes under a child", archive(with(copyOf(t, honest, "kube-proxy:"+version), func(n *sight.Node) {
			d := n.Children[0].Blob.Digest
			n.Children[0] = copyOf(t, honest, "kube-scheduler-amd64:"+version)
			n.Children[0].Blob.Digest = d
		}), proxy), report.Refuted, ""},
		{"a layer of other bytes under a genuine manifest", archive(with(copyOf(t, honest, amd64), func(n *sight.Node) {
			n.Layers[0] = other
		}), proxy), report.Refuted, "layer 1 of"},
		{"a layer of other bytes under a genuine config", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.Layers[len(n.Layers)-1] = other
		}), proxy), report.Refuted, "is not the bytes that the config names"},
		{"fewer layers than the config names", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.Layers = n.Layers[:len(n.Layers)-1]
		}), proxy), report.Refuted, "layers, and the genuine config names"},
		{"another entrypoint over genuine layers", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.ConfigBytes = entrypoint(n.ConfigBytes, map[string]any{"Entrypoint": []string{"/bin/evil"}})
			n.Config = blob(n.ConfigBytes, "")
		}), proxy), report.Refuted, "Entrypoint"},
		{"another label over genuine layers", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.ConfigBytes = entrypoint(n.ConfigBytes, map[string]any{"Labels": map[string]string{"a": "b"}})
			n.Config = blob(n.ConfigBytes, "")
		}), proxy), report.Unknown, "rewritten"},
		{"a layer that is absent", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.Layers[0] = sight.Blob{Digest: n.Layers[0].Digest}
		}), proxy), report.Unknown, "is not there"},
		{"a layer that cannot be read", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			n.Layers[0].Read = func(context.Context) (sight.Content, error) { return sight.Content{}, io.ErrUnexpectedEOF }
		}), proxy), report.Unknown, "unexpected EOF"},
		{"a layer with a second table of contents", archive(with(saved(t, honest, amd64), func(n *sight.Node) {
			read := n.Layers[0].Read
			n.Layers[0].Read = func(ctx context.Context) (sight.Content, error) {
				c, err := read(ctx)
				c.SecondTable = true
				return c, err
			}
		}), proxy), report.Unknown, "second table of contents"},
		{"a vendor's tag at our own name", archive(saved(t, honest, amd64), "registry.k8s.io/kube-proxy:"+version+"-eksbuild.1"), report.Unknown, ""},
		{"our image at a foreign host", archive(saved(t, honest, amd64), "mirror.example.com/kube-proxy:"+version), report.Unknown, "--as"},
		{"nothing of ours", archive(sight.Node{Role: sight.Config, Config: other, ConfigBytes: []byte("{}")}, "docker.io/library/nginx:1"), report.Unknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rep := verdict(t, judge(t, honest), tt.in)
			if got := rep.Verdict(); got != tt.want || !strings.Contains(tell(rep), tt.says) {
				t.Errorf("%s, want %s with %q\n%s", got, tt.want, tt.says, tell(rep))
			}
			partial := judge(t, honest)
			partial.Verifier.Checks = []string{report.Digest, report.Signature}
			if got := verdict(t, partial, tt.in).Verdict(); tt.want != report.Verified && got == report.Verified {
				t.Errorf("verified with fewer checks, want %s", tt.want)
			}
		})
	}
}

func TestReportedDigests(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	index, amd64 := digest(t, w, "kube-proxy:"+version), digest(t, w, "kube-proxy-amd64:"+version)
	for _, tt := range []struct {
		name string
		in   seen.Input
		want report.Verdict
		says string
	}{
		{"an index", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(index)}), report.Verified, "as reported: its index"},
		{"a manifest", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(amd64)}), report.Verified, "as reported: its manifest"},
		{"a config", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(configOf(t, w, "kube-proxy-amd64:"+version))}), report.Verified, "as reported: its config"},
		{"under a mapped name", lines(sight.Sighting{Name: private, Digest: oci.Digest(index)}), report.Verified, ""},
		{"a name without a digest", lines(sight.Sighting{Name: proxy}), report.Verified, ""},
		{"a waiting container", lines(sight.Sighting{Name: proxy, Reported: true}), report.Unknown, "no digest"},
		{"another image's", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(digest(t, w, "kube-scheduler:"+version))}), report.Refuted, "kube-scheduler"},
		{"another version's", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(digest(t, w, "kube-proxy:v1.27.1"))}), report.Refuted, "v1.27.1"},
		{"another platform's", lines(sight.Sighting{Name: "registry.k8s.io/kube-proxy-arm64:" + version, Digest: oci.Digest(amd64)}), report.Refuted, "linux/amd64"},
		{"of nothing that was published", lines(sight.Sighting{Name: proxy, Digest: oci.DigestOf([]byte("x"))}), report.Unknown, "never published"},
		{"without a name", seen.Input{Digests: []oci.Digest{oci.Digest(amd64)}}, report.Verified, "as reported"},
		{"without a name, of nothing", seen.Input{Digests: []oci.Digest{oci.Digest(string(oci.DigestOf([]byte("x"))))}}, report.Unknown, "no release that kverify knows"},
		{"at a foreign host", lines(sight.Sighting{Name: "mirror.example.com/kube-proxy:" + version, Digest: oci.Digest(index)}), report.Unknown, "--as"},
		{"a vendor's build and nothing of ours", lines(sight.Sighting{Name: "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.27.2-eksbuild.1", Digest: oci.DigestOf([]byte("eks"))}), report.Unknown, ""},
		{"a vendor's build beside ours", lines(sight.Sighting{Name: proxy, Digest: oci.Digest(index)}, sight.Sighting{Name: "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.27.2-eksbuild.1", Digest: oci.DigestOf([]byte("eks"))}), report.Verified, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rep := verdict(t, judge(t, w), tt.in)
			if got := rep.Verdict(); got != tt.want || !strings.Contains(tell(rep), tt.says) {
				t.Errorf("%s, want %s with %q\n%s", got, tt.want, tt.says, tell(rep))
			}
		})
	}
}

// Many places of one digest are one result.
func TestPlacesAreJoined(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	amd64 := digest(t, w, "kube-proxy-amd64:"+version)
	rep := verdict(t, judge(t, w), lines(slices.Repeat([]sight.Sighting{{Name: proxy, Digest: oci.Digest(amd64)}}, 250)...))
	var images []report.Result
	for _, res := range rep.Results {
		if res.Kind == "image" {
			images = append(images, res)
		}
	}
	if len(images) != 1 || len(images[0].Places) != report.MaxPlaces || images[0].MorePlaces != 150 {
		t.Errorf("%d results\n%s", len(images), tell(rep))
	}
}
