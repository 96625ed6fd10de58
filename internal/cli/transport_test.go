package cli

import (
	"net/url"
	"slices"
	"testing"
)

// TestNothingAheadOfStandIns holds that no connection is made ahead to a host
// that was mapped away.
func TestNothingAheadOfStandIns(t *testing.T) {
	reached := func(mapped ...string) (hosts []string) {
		set := &settings{endpoints: map[string]*url.URL{}}
		for _, host := range mapped {
			set.endpoints[host] = &url.URL{Scheme: "https", Host: "standin.example"}
		}
		for _, next := range following(set) {
			hosts = append(hosts, next...)
		}
		return hosts
	}
	if all := reached(); !slices.Contains(all, "rekor.sigstore.dev") || !slices.Contains(all, "us-central1-docker.pkg.dev") {
		t.Fatalf("connected ahead to %q", all)
	}
	if hosts := reached("rekor.sigstore.dev", "registry.k8s.io"); slices.Contains(hosts, "rekor.sigstore.dev") || slices.Contains(hosts, "us-central1-docker.pkg.dev") {
		t.Errorf("connected ahead to %q", hosts)
	}
}
