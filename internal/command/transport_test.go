package command

import (
	"net/url"
	"testing"
)

// TestNothingAheadOfAStandIn holds that the registry's signatures are not connected
// to ahead where something stands in for the registry.
func TestNothingAheadOfAStandIn(t *testing.T) {
	set := &Settings{}
	if set.following()["pkg.dev"] == nil {
		t.Fatal("nothing follows the registry")
	}
	set.Endpoints = map[string]*url.URL{ImageHost: {Scheme: "https", Host: "standin.example"}}
	if hosts := set.following()["pkg.dev"]; hosts != nil {
		t.Errorf("connected ahead to %q", hosts)
	}
}
