package seen_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
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

// shelf is a registry that serves what lies in it, by path below the repository, and
// checks nothing: an attacker's.
type shelf map[string]answer

type answer struct {
	mediaType string
	body      []byte
	status    int
}

func (s shelf) RoundTrip(r *http.Request) (*http.Response, error) {
	out := &http.Response{Header: http.Header{}, Request: r, StatusCode: http.StatusNotFound, Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if strings.Contains(r.URL.Path, "/referrers/") || strings.HasSuffix(r.URL.Path, ".sig") {
		s["asked"] = answer{}
	}
	a, ok := s[strings.TrimPrefix(r.URL.Path, "/v2/k8s/kube-proxy/")]
	if !ok {
		return out, nil
	}
	out.StatusCode = 200
	if a.status != 0 {
		out.StatusCode = a.status
	}
	out.Header.Set("Content-Type", a.mediaType)
	out.ContentLength, out.Body = int64(len(a.body)), io.NopCloser(bytes.NewReader(a.body))
	return out, nil
}

func (s shelf) blob(b []byte) string {
	s[string("blobs/"+oci.DigestOf(b))] = answer{mediaType: "application/octet-stream", body: b}
	return string(oci.DigestOf(b))
}

func (s shelf) manifest(mediaType string, body []byte, tags ...string) string {
	for _, at := range append(tags, string(oci.DigestOf(body))) {
		s["manifests/"+at] = answer{mediaType: mediaType, body: body}
	}
	return string(oci.DigestOf(body))
}

// copied puts an image there as it is.
func (s shelf) copied(t testing.TB, w *world.World, ref string, tags ...string) {
	n := copyOf(t, w, ref)
	s.manifest(n.Blob.MediaType, n.Bytes, tags...)
	for _, child := range n.Children {
		s.copied(t, w, strings.Split(ref, ":")[0]+"@"+string(child.Blob.Digest))
	}
	if n.Role != sight.Manifest {
		return
	}
	s.blob(n.ConfigBytes)
	m, _ := w.Manifest(ref)
	_, img, _ := registry.ParseManifest(m.MediaType, m.Body)
	for _, d := range img.Layers {
		s.blob(w.Blob(string(d.Digest)))
	}
}

// pushed puts an image there as docker push does: its config, and its layers packed anew.
func (s shelf) pushed(t testing.TB, w *world.World, ref string, change func(layers [][]byte), tags ...string) string {
	m, _ := w.Manifest(ref)
	_, img, err := registry.ParseManifest(m.MediaType, m.Body)
	if err != nil || img == nil {
		t.Fatalf("%s: %v", ref, err)
	}
	var layers [][]byte
	for _, d := range img.Layers {
		layers = append(layers, unpacked(t, w.Blob(string(d.Digest))))
	}
	if change != nil {
		change(layers)
	}
	descriptor := func(mediaType string, b []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "digest": s.blob(b), "size": len(b)}
	}
	var list []any
	for _, l := range layers {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		_, _ = z.Write(l)
		_ = z.Close()
		list = append(list, descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", b.Bytes()))
	}
	body, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": registry.DockerManifest, "layers": list,
		"config": descriptor("application/vnd.docker.container.image.v1+json", w.Blob(string(img.Config.Digest))),
	})
	return s.manifest(registry.DockerManifest, body, tags...)
}

// index puts an index there, of what is called so.
func (s shelf) index(children map[string]string) {
	list := []any{}
	for platform, d := range children {
		os, arch, _ := strings.Cut(platform, "/")
		size := max(1, len(s["manifests/"+d].body))
		list = append(list, map[string]any{"mediaType": registry.DockerManifest, "digest": d, "size": size, "platform": map[string]string{"os": os, "architecture": arch}})
	}
	body, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": registry.DockerIndex, "manifests": list})
	s.manifest(registry.DockerIndex, body, version)
}

// Evidence comes from where Kubernetes publishes, and the bytes from a registry that
// anybody filled. Nothing that it serves hides what else it serves.
func TestPrivateRegistries(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	amd64, arm64, evil := "kube-proxy-amd64:"+version, "kube-proxy-arm64:"+version, "kube-scheduler-amd64:"+version
	at := "manifests/" + digest(t, w, arm64)
	swap := func(layers [][]byte) { layers[len(layers)-1] = []byte("another program") }
	for _, tt := range []struct {
		name string
		fill func(s shelf)
		want report.Verdict
		says string
	}{
		{"a copy", func(s shelf) { s.copied(t, w, "kube-proxy:"+version, version) }, report.Verified, "layers were not read"},
		{"docker push", func(s shelf) { s.pushed(t, w, amd64, nil, version) }, report.Verified, "annotations, was not judged"},
		{"docker push of another layer", func(s shelf) { s.pushed(t, w, amd64, swap, version) }, report.Refuted, "is not the bytes"},
		{"an older version", func(s shelf) { s.copied(t, w, "kube-proxy:v1.27.1", version) }, report.Refuted, ""},
		{"a copy without one platform", func(s shelf) {
			s.copied(t, w, "kube-proxy:"+version, version)
			delete(s, at)
		}, report.Verified, ""},
		{"a copy with one platform out of reach", func(s shelf) {
			s.copied(t, w, "kube-proxy:"+version, version)
			s[at] = answer{status: 403}
		}, report.Unknown, "linux/arm64"},
		{"a copy with other bytes for one platform", func(s shelf) {
			s.copied(t, w, "kube-proxy:"+version, version)
			s[at] = s["manifests/"+digest(t, w, amd64)]
		}, report.Refuted, ""},
		{"a genuine index alone", func(s shelf) {
			n := copyOf(t, w, "kube-proxy:"+version)
			s.manifest(n.Blob.MediaType, n.Bytes, version)
		}, report.Unknown, "no platform of it"},
		{"docker push of two platforms", func(s shelf) {
			s.index(map[string]string{"linux/amd64": s.pushed(t, w, amd64, nil), "linux/arm64": s.pushed(t, w, arm64, nil)})
		}, report.Verified, ""},
		{"docker push of two platforms, called by each other's names", func(s shelf) {
			s.index(map[string]string{"linux/arm64": s.pushed(t, w, amd64, nil), "linux/amd64": s.pushed(t, w, arm64, nil)})
		}, report.Refuted, "linux/arm64"},
		{"another image behind a platform that is absent", func(s shelf) {
			s.index(map[string]string{"linux/amd64": s.pushed(t, w, evil, nil), "linux/arm64": string(oci.DigestOf([]byte("absent")))})
		}, report.Refuted, "kube-proxy"},
		{"another image for a platform that nobody knows", func(s shelf) {
			s.index(map[string]string{"linux/amd64": s.pushed(t, w, amd64, nil), "unknown/unknown": s.pushed(t, w, evil, nil)})
		}, report.Refuted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := shelf{}
			tt.fill(s)
			j := judge(t, w)
			j.Copies = &registry.Client{Fetch: &fetch.Client{Transport: s}}
			ref, _ := registry.ParseRef(private)
			rep := verdict(t, j, seen.Input{Subjects: []string{private}, Refs: []registry.Ref{ref}})
			if rep.Verdict() != tt.want || !strings.Contains(tell(rep), tt.says) {
				t.Errorf("%s, want %s with %q\n%s", rep.Verdict(), tt.want, tt.says, tell(rep))
			}
			if _, asked := s["asked"]; asked {
				t.Error("evidence was read there")
			}
		})
	}
}
