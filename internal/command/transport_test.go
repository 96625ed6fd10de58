package command

import (
	"net/url"
	"slices"
	"testing"

	"github.com/kverify/kverify/pkg/registry"
)

// TestNothingAheadOfAStandIn holds that the registry's signatures are not connected
// to ahead where something stands in for the registry.
func TestNothingAheadOfAStandIn(t *testing.T) {
	set := &Settings{}
	if set.following(nil)["pkg.dev"] == nil {
		t.Fatal("nothing follows the registry")
	}
	set.Endpoints = map[string]*url.URL{ImageHost: {Scheme: "https", Host: "standin.example"}}
	if hosts := set.following(nil)["pkg.dev"]; hosts != nil {
		t.Errorf("connected ahead to %q", hosts)
	}
}

// TestRoutesOfEarlierRuns holds that a run connects ahead to where an earlier one was led to.
func TestRoutesOfEarlierRuns(t *testing.T) {
	kept := registry.NewCache(t.TempDir(), 0)
	const to = "europe-west3-docker.pkg.dev"
	kept.KeepRoute(ImageHost, to)
	if set := (&Settings{}); !slices.Contains(set.following(kept)[ImageHost], to) {
		t.Errorf("not connected ahead: %v", set.following(kept))
	}
	set := &Settings{Endpoints: map[string]*url.URL{ImageHost: {Scheme: "https", Host: "standin.example"}}}
	if hosts := set.following(kept); hosts[ImageHost] != nil {
		t.Errorf("of a stand-in: %v", hosts)
	}
}
