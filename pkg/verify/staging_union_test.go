package verify_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// staged lays a staging signature beside the promoted one of kube-proxy.
func staged(how world.Signing) func(*world.World) {
	how.Identity, how.Reference = world.KrelStage, "gcr.io/k8s-staging-kubernetes/kube-proxy"
	return func(w *world.World) {
		w.SignAs(modernProxy, world.Signing{}, how)
	}
}

// What two places say of staging: a signature that holds in either, then a contradiction in either,
// then what could not be told, and absent only where both say so.
func TestStagingInTwoPlaces(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	good, forged, odd := staged(world.Signing{}), staged(world.Signing{NoSCT: true}), staged(world.Signing{NoLog: true})
	none := func(w *world.World) { w.SignAs(modernProxy, world.Signing{}) }
	another := staged(world.Signing{Digest: "sha256:" + strings.Repeat("1", 64)})
	down := func(w *world.World) { w.Status(world.SignatureURL("kube-proxy", w.Digest(modernProxy)), 503) }
	for _, tt := range []struct {
		name        string
		there, also func(*world.World)
		want        report.Verdict
		reason      report.Reason
	}{
		{"good, none", good, none, report.Verified, ""},
		{"none, good", none, good, report.Verified, ""},
		{"good, forged", good, forged, report.Verified, ""},
		{"forged, good", forged, good, report.Verified, ""},
		{"down, good", down, good, report.Verified, ""},
		{"forged, none", forged, none, refuted, report.Forged},
		{"none, forged", none, forged, refuted, report.Forged},
		{"forged, down", forged, down, refuted, report.Forged},
		{"down, forged", down, forged, refuted, report.Forged},
		{"odd, forged", odd, forged, refuted, report.Forged},
		{"forged, odd", forged, odd, refuted, report.Forged},
		{"forged, another's", forged, another, refuted, report.Forged},
		{"another's, forged", another, forged, refuted, report.Mismatch},
		{"odd, none", odd, none, unknown, report.Malformed},
		{"none, odd", none, odd, unknown, report.Malformed},
		{"none, down", none, down, unknown, report.Unreachable},
		{"down, none", down, none, unknown, report.Unreachable},
		{"down, odd", down, odd, unknown, report.Unreachable},
		{"odd, down", odd, down, unknown, report.Malformed},
		{"none, none", none, none, unknown, report.Absent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			there, also := built.Clone(), built.Clone()
			tt.there(there)
			tt.also(also)
			c, ok := besides(t, there, also, report.Staging).Check(report.Staging)
			if !ok || c.Verdict != tt.want || c.Reason != tt.reason {
				t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
			}
		})
	}
}

// Signatures grow: what a cache has of them proves, and says that it is from there; what does not
// prove is asked for again, and its answer is the one that counts.
func TestStagingFromACache(t *testing.T) {
	good, none := staged(world.Signing{}), func(w *world.World) { w.SignAs(modernProxy, world.Signing{}) }
	down := func(w *world.World) { w.Status(world.SignatureURL("kube-proxy", w.Digest(modernProxy)), 503) }
	gone := func(w *world.World) { w.Status(world.SignatureURL("kube-proxy", w.Digest(modernProxy)), 404) }
	nothing := func(*world.World) {}
	for _, tt := range []struct {
		name          string
		before, after func(*world.World)
		want          report.Verdict
		reason        report.Reason
		kept          bool
	}{
		{"kept", good, nothing, report.Verified, "", true},
		{"kept, and gone since", good, gone, report.Verified, "", true},
		{"added since", none, good, report.Verified, "", false},
		{"not added", none, nothing, unknown, report.Absent, false},
		{"not added, and an outage", none, down, unknown, report.Unreachable, false},
		{"mended since", staged(world.Signing{NoSCT: true}), good, report.Verified, "", false},
		{"forged since", none, staged(world.Signing{NoSCT: true}), refuted, report.Forged, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(world.Options{Versions: []string{modern}}).Clone()
			dir := t.TempDir()
			run := func() report.Check {
				client := &fetch.Client{Transport: w}
				v := verifier(t, w)
				v.Fetch, v.Checks = client, []string{report.Digest, report.Signature, report.Staging}
				v.Registry = &registry.Client{Fetch: client, Cache: registry.NewCache(dir, 0)}
				rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
				if err != nil {
					t.Fatal(err)
				}
				return checkOf(t, rep, modernProxy, report.Staging)
			}
			tt.before(w)
			if c := run(); strings.Contains(c.Detail, "from the cache") {
				t.Errorf("nothing was kept yet: %s", c.Detail)
			}
			tt.after(w)
			c := run()
			if said := strings.HasSuffix(c.Detail, ", from the cache"); c.Verdict != tt.want || c.Reason != tt.reason || said != tt.kept {
				t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
			}
			for _, e := range c.Evidence.All() {
				if (e.Fields[report.FieldKept] != "") != tt.kept {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}
