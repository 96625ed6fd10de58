package verify_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

const copiesHost = "harbor.example"

// atStandIn reads images from a registry of somebody, and all else from the world.
func atStandIn(t testing.TB, w *world.World, s world.StandIn) *verify.Verifier {
	t.Helper()
	s.Prefix = "k8s"
	w.AddStandIn(copiesHost, s)
	v := verifier(t, w)
	v.Registry.Endpoints = map[string]string{"registry.k8s.io": "https://" + copiesHost + "/k8s"}
	return v
}

// Rule 20: other tools copy an index with its children, and no repository of a
// single architecture.
func TestStandInsWithoutNamesOfSingleArchitectures(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			w := world.New(world.Options{})
			v := atStandIn(t, w, world.StandIn{Has: world.OnlyIndexes, Lacking: status})
			rep, err := v.Images(t.Context(), request(t, version))
			if err != nil || rep.Verdict() != report.Verified {
				t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
			}
			if len(rep.Scope.Absent) != 20 || rep.Scope.Absent[0] != "registry.k8s.io/conformance-amd64:"+version {
				t.Errorf("absent: %v", rep.Scope.Absent)
			}
			for _, res := range rep.Results {
				if res.Kind == "image" && res.Platform == "" && (len(res.Notes) != 1 || !strings.Contains(res.Notes[0], "4 names")) {
					t.Errorf("%s: notes %q", res.Subject, res.Notes)
				}
			}
			one := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy-amd64", Tag: version}
			rep, err = v.References(t.Context(), []registry.Ref{one})
			if err != nil || rep.Verdict() != report.Unknown {
				t.Errorf("%s itself: %v %s", one, err, rep.Verdict())
			}
			child := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: version, Digest: oci.Digest(w.Digest("kube-proxy-amd64:" + version))}
			rep, err = v.References(t.Context(), []registry.Ref{child})
			if err != nil || rep.Verdict() != report.Verified {
				t.Errorf("%s: %v %s\n%s", child, err, rep.Verdict(), failures(rep))
			}
		})
	}
	t.Run("registry.k8s.io itself must have them", func(t *testing.T) {
		t.Parallel()
		w := world.New(world.Options{}).Clone()
		w.Status("kube-proxy-amd64:"+version, 404)
		if rep := images(t, w, version); rep.Verdict() != unknown || len(rep.Scope.Absent) != 0 {
			t.Errorf("%s, absent %v", rep.Verdict(), rep.Scope.Absent)
		}
	})
	t.Run("one that has them has nothing absent", func(t *testing.T) {
		t.Parallel()
		w := world.New(world.Options{})
		rep, err := atStandIn(t, w, world.StandIn{}).Images(t.Context(), request(t, version))
		if err != nil || rep.Verdict() != report.Verified || len(rep.Scope.Absent) != 0 {
			t.Errorf("%v %s, absent %v\n%s", err, rep.Verdict(), rep.Scope.Absent, failures(rep))
		}
		for _, res := range rep.Results {
			if res.Kind == "image" && (res.Platform != "" && len(res.SeenAs) != 1 || len(res.Notes) > 0) {
				t.Errorf("%s %s seen as %v, notes %q", res.Subject, res.Platform, res.SeenAs, res.Notes)
			}
		}
	})
}

// standInAttack is a registry of indexes alone that serves something else.
type standInAttack struct {
	name    string
	instead map[string]world.Manifest
	do      func(w *world.World)
	want    report.Verdict
}

func (s standInAttack) attack(w *world.World) {
	if s.do != nil {
		s.do(w)
	}
}

func standInAttacks() []standInAttack {
	built := world.New(world.Options{})
	manifest := func(ref string) world.Manifest {
		m, ok := built.Manifest(ref)
		if !ok {
			panic("no " + ref)
		}
		return m
	}
	return []standInAttack{
		{"another version under the name of an architecture", map[string]world.Manifest{"kube-proxy-arm64:" + version: manifest("kube-proxy-arm64:v1.27.1")}, nil, refuted},
		{"another architecture", map[string]world.Manifest{"kube-proxy-arm64:" + version: manifest("kube-proxy-amd64:" + version)}, nil, refuted},
		{"another image", map[string]world.Manifest{"kube-proxy-arm64:" + version: manifest("kube-scheduler-arm64:" + version)}, nil, refuted},
		{"the index", map[string]world.Manifest{"kube-proxy-arm64:" + version: manifest(proxy)}, nil, refuted},
		{"the right one under the name, and other bytes beside the index", map[string]world.Manifest{
			"kube-proxy-arm64:" + version:                             manifest("kube-proxy-arm64:" + version),
			"kube-proxy@" + built.Digest("kube-proxy-arm64:"+version): manifest("kube-proxy-arm64:v1.27.1"),
		}, nil, refuted},
		{"what is under the name is no manifest", map[string]world.Manifest{"kube-proxy-arm64:" + version: {MediaType: "text/html", Body: []byte("<html>sign in</html>")}}, nil, report.Verified},
		{"no signature of the index", nil, func(w *world.World) { w.DropSignature(proxy) }, unknown},
		{"an older index", map[string]world.Manifest{proxy: manifest("kube-proxy:v1.27.1")}, nil, refuted},
		{"one platform as the whole", map[string]world.Manifest{proxy: manifest("kube-proxy-arm64:" + version)}, nil, refuted},
		{"a changed config", nil, func(w *world.World) {
			w.ChangeConfig(version, "kube-proxy", "arm64", world.InPlace, entrypoint)
		}, refuted},
	}
}

// A name of a single architecture can only refute, and does.
func TestStandInsThatContradict(t *testing.T) {
	built := world.New(world.Options{})
	for _, tt := range standInAttacks() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.attack(w)
			rep, err := atStandIn(t, w, world.StandIn{Has: world.OnlyIndexes, Instead: tt.instead}).Images(t.Context(), request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() != tt.want {
				t.Errorf("%s, want %s\n%s", rep.Verdict(), tt.want, failures(rep))
			}
		})
	}
}
