package verify_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// slowIndex holds the answer to an index back until the tags of all its
// architectures have been asked for.
type slowIndex struct {
	next http.RoundTripper
	tags sync.WaitGroup
}

func (s *slowIndex) RoundTrip(r *http.Request) (*http.Response, error) {
	repo, tag, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	switch {
	case r.URL.Host != world.HostRegistry || tag != version:
	case repo == "kube-proxy":
		all := make(chan struct{})
		go func() {
			s.tags.Wait()
			close(all)
		}()
		select {
		case <-all:
		case <-time.After(10 * time.Second):
			return nil, errSlow
		}
	default:
		s.tags.Done()
	}
	return s.next.RoundTrip(r)
}

var errSlow = errors.New("the tags of the architectures waited for the index")

// TestTagsDoNotWaitForTheIndex holds that what is known by name is asked for at
// once, each once, and that an architecture that its repository does not have
// is told as before.
func TestTagsDoNotWaitForTheIndex(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := world.New(world.Options{})
		want := report.Verified
		if lost {
			w.Tag("kube-proxy-arm64:"+version, "")
			want = report.Unknown
		}
		slow := &slowIndex{next: w}
		slow.tags.Add(4)
		v := verifier(t, w)
		v.Fetch = &fetch.Client{Transport: slow}
		v.Registry = &registry.Client{Fetch: v.Fetch}
		v.Checks = []string{report.Digest, report.Signature, report.Reference}
		req := request(t, version)
		req.Names = []string{"kube-proxy"}
		rep, err := v.Images(t.Context(), req)
		if err != nil || rep.Verdict() != want {
			t.Fatalf("lost %v: %v %s, want %s\n%s", lost, err, rep.Verdict(), want, failures(rep))
		}
		for _, arch := range w.Arches(version) {
			if n := w.Count(world.ManifestURL("kube-proxy-" + arch + ":" + version)); n != 1 {
				t.Errorf("lost %v: kube-proxy-%s was asked for %d times", lost, arch, n)
			}
		}
	}
}
