package cli

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// Whatever form of name an image was asked for by, what its run saves is read again,
// alone and merged with another.
func TestSavedReportOfEveryFormOfName(t *testing.T) {
	w := world.New(world.Options{})
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	index, child := w.Digest("kube-proxy:v1.27.2"), w.Digest("kube-proxy-arm64:v1.27.2")
	var merged []*report.File
	for _, name := range []string{
		"kube-proxy:v1.27.2", "kube-proxy@" + index, "kube-proxy:v1.27.2@" + index,
		"kube-proxy@" + child, "kube-proxy:v1.27.2@" + child,
		"kube-proxy-arm64:v1.27.2", "kube-proxy-arm64@" + child, "kube-proxy-arm64:v1.27.2@" + child,
		world.FileImage, world.FileAlone, world.FileImage + "@" + w.Digest(world.FileImage), world.FileAlone + "@" + w.Digest(world.FileAlone),
		"pause:3.9", "coredns/coredns:v1.10.1",
	} {
		ref, err := registry.ParseRef("registry.k8s.io/" + name)
		if err != nil {
			t.Fatal(err)
		}
		client := &fetch.Client{Transport: w}
		v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root, Tool: report.Tool{Name: "kverify", Version: "v1.2.3"}}
		r, err := v.References(t.Context(), []registry.Ref{ref})
		if err != nil || r.Verdict() != report.Verified {
			t.Fatal(name, err, r.Verdict())
		}
		var b bytes.Buffer
		if err := render.JSON(&b, r); err != nil {
			t.Fatal(err)
		}
		if _, err := readAltered(t, json.RawMessage(b.Bytes())); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, err := report.Read(name, &b)
		if err != nil {
			t.Fatal(err)
		}
		merged = append(merged, f)
	}
	if _, err := report.Merge(merged); err != nil {
		t.Errorf("merged: %v", err)
	}
}
