package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// As many referrers of a digest are listed as clients take, and none of more.
func TestReferrersAreBounded(t *testing.T) {
	a, p := audited(t, func(f tree, m *layout.Manifest, p made) {
		digest, size := f.blob(manifestOf("application/x", string(p.index), 1))
		m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/kube-proxy:r", Digest: oci.Digest(digest), MediaType: ociType, Size: int64(size)})
	})
	one := oci.Digest("sha256:" + sum(manifestOf("application/x", string(p.index), 1)))
	found := a.dir.repos["registry.k8s.io/kube-proxy"].Reach().Nodes[one]
	if found == nil || found.Refers == nil {
		t.Fatal("there is no referrer")
	}
	for n, status := range map[int]int{maxReferrers: http.StatusOK, maxReferrers + 1: http.StatusInternalServerError} {
		all := layout.Reached{Nodes: map[oci.Digest]*layout.Node{}}
		for i := range n {
			node := *found
			node.Digest = oci.Digest("sha256:" + sum(fmt.Sprint(i)))
			all.Nodes[node.Digest] = &node
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.k8s.io/v2/kube-proxy/referrers/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer := a.dir.answerReferrers(req, &layout.Repository{Reach: func() layout.Reached { return all }}, string(p.index))
		if answer.Status != status || (answer.Err != nil) != (status != http.StatusOK) {
			t.Errorf("%d: %d, %v", n, answer.Status, answer.Err)
		}
		var list struct{ Manifests []json.RawMessage }
		if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || (len(list.Manifests) == n) != (status == http.StatusOK) {
			t.Errorf("%d: %d are listed, %v", n, len(list.Manifests), err)
		}
	}
}

// Behind the end of an archive there may be as many zeros as tools write, and none more.
func TestPaddingIsBounded(t *testing.T) {
	for n, ok := range map[int]bool{0: true, maxPadding: true, maxPadding + 1: false} {
		if err := onlyZeros(bytes.NewReader(make([]byte, n))); (err == nil) != ok {
			t.Errorf("%d: %v", n, err)
		}
	}
	if err := onlyZeros(iotest.ErrReader(fs.ErrClosed)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("what cannot be read: %v", err)
	}
}

// A member that cannot be found again, or that ends behind its archive, is none.
func TestMemberThatCannotBeFoundAgain(t *testing.T) {
	r, w, err := os.Pipe() // in which nobody knows where they are
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	a := &tarFS{files: map[string]tarEntry{}, folders: map[string][]string{".": nil}}
	if err := a.add("x", false, r, 0, 0); err == nil || len(a.files) != 0 {
		t.Errorf("%v, %v", err, a.files)
	}
	for size, ok := range map[int64]bool{-1: false, 0: true, 10: true, 11: false} {
		if err := a.add(fmt.Sprint(size), false, strings.NewReader("0123456789"), size, 10); (err == nil) != ok {
			t.Errorf("%d bytes of 10: %v", size, err)
		}
	}
}

// An overview follows what an index names, whatever stands before it: a child that no
// digest names, a platform that is absent; an index in an index it does not follow.
func TestOverviewFollowsEveryChild(t *testing.T) {
	const unnamed = `{"mediaType":"` + imageType + `","digest":"sha256:x","size":1}`
	a, _ := audited(t, func(f tree, m *layout.Manifest, p made) {
		size := len(f[layout.BlobPath(p.image)])
		amd64 := desc(imageType, string(p.image), size, `,"platform":{"os":"linux","architecture":"amd64"}`)
		arm64 := desc(imageType, string(p.other), 100, `,"platform":{"os":"linux","architecture":"arm64"}`)
		inner, innerSize := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, listType, amd64))
		for i, children := range []string{unnamed + "," + amd64, arm64 + "," + amd64, desc(listType, inner, innerSize, "")} {
			index, size := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, listType, children))
			m.Images = append(m.Images, layout.ImageEntry{Name: fmt.Sprintf("registry.k8s.io/pause:%d", i), Digest: oci.Digest(index), MediaType: listType, Size: int64(size)})
		}
	})
	o := a.dir.Overview()
	if len(o.Others) != 3 || o.Missing.Count != 0 || o.Partial != "" || len(o.Damage) != 0 {
		t.Fatalf("%+v", o)
	}
	for i, want := range [][2][]string{{{"linux/amd64"}, nil}, {{"linux/amd64"}, {"linux/arm64"}}, {nil, nil}} {
		if im := o.Others[i]; !slices.Equal(im.Platforms, want[0]) || !slices.Equal(im.Absent, want[1]) {
			t.Errorf("%s: %v, without %v", im.Name, im.Platforms, im.Absent)
		}
	}
}
