package seen_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
)

// What could not be read under a name leaves its digests unknown, even where they are
// known under another tag of the same image: a tag that is no release's may be of the same bytes.
func TestAnotherTagContradictsNothingUnread(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	index := digest(t, w, "kube-proxy:"+version)
	rep := verdict(t, judge(t, w), lines(
		sight.Sighting{Name: proxy, Digest: oci.Digest(index)},
		sight.Sighting{Name: proxy + "-eksbuild.1", Digest: oci.Digest(index)},
	))
	if got := rep.Verdict(); got != report.Unknown {
		t.Errorf("a vendor's tag at our own name is %s, want unknown\n%s", got, tell(rep))
	}
	down := w.Clone()
	down.Status(world.ManifestURL("kube-scheduler:"+version), http.StatusServiceUnavailable)
	rep = verdict(t, judge(t, down), lines(sight.Sighting{Name: "registry.k8s.io/kube-scheduler:" + version, Digest: oci.Digest(digest(t, w, "kube-scheduler:"+version))}))
	if got := rep.Verdict(); got != report.Unknown {
		t.Errorf("behind an outage it is %s, want unknown\n%s", got, tell(rep))
	}
}

// The registry that was Kubernetes' before holds the same images, and is not asked.
func TestFormerRegistryIsOurs(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	former := "k8s.gcr.io/kube-proxy:" + version
	for name, in := range map[string]func() report.Report{
		"a name in a list": func() report.Report { return verdict(t, judge(t, w), lines(sight.Sighting{Name: former})) },
		"both names of one architecture's image": func() report.Report {
			return verdict(t, judge(t, w), lines(sight.Sighting{Name: "k8s.gcr.io/kube-proxy-arm64:" + version}, sight.Sighting{Name: "registry.k8s.io/kube-proxy-arm64:" + version}))
		},
		"a digest in a list": func() report.Report {
			return verdict(t, judge(t, w), lines(sight.Sighting{Name: former, Digest: oci.Digest(digest(t, w, "kube-proxy:"+version))}))
		},
	} {
		if rep := in(); rep.Verdict() != report.Verified {
			t.Errorf("%s: %s\n%s", name, rep.Verdict(), tell(rep))
		}
	}
	rep := verdict(t, judge(t, w), lines(sight.Sighting{Name: former, Digest: oci.Digest(digest(t, w, "kube-scheduler:"+version))}))
	if rep.Verdict() != report.Refuted {
		t.Errorf("another image's digest: %s\n%s", rep.Verdict(), tell(rep))
	}
}

// A container without an image, and a list without a name, are never passed over in silence.
func TestEmptyInputIsSaid(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	in := lines()
	if rep := verdict(t, judge(t, w), in); rep.Verdict() != report.Unknown {
		t.Errorf("an empty list alone is %s", rep.Verdict())
	}
	in.Digests = []oci.Digest{oci.Digest(digest(t, w, "kube-proxy:"+version))}
	if rep := verdict(t, judge(t, w), in); !slices.Contains(rep.Scope.Remarks, "a list names nothing") {
		t.Errorf("beside others it is not said: %q", rep.Scope.Remarks)
	}
	in = seen.Input{Digests: in.Digests, Copies: []seen.Container{{Name: "empty.tar"}}}
	if rep := verdict(t, judge(t, w), in); rep.Verdict() != report.Unknown {
		t.Errorf("an empty container beside what is verified: %s\n%s", rep.Verdict(), tell(rep))
	}
}

// A lock compares what was released, whatever form of it was seen.
func TestLockOfWhatWasSeen(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	amd64 := "kube-proxy-amd64:" + version
	lock := func(manifest string) report.Lock {
		return report.Lock{Entries: []report.Locked{{Subject: proxy, Platform: "linux/amd64", Digest: manifest}}}
	}
	for _, in := range []func() report.Report{
		func() report.Report {
			return verdict(t, judge(t, w), lines(sight.Sighting{Name: proxy, Digest: oci.Digest(configOf(t, w, amd64))}))
		},
		func() report.Report { return verdict(t, judge(t, w), archive(saved(t, w, amd64), proxy)) },
	} {
		rep := in()
		if h := lock(digest(t, w, amd64)).Hold(&rep); h.Equal != 1 || h.Moved != 0 || rep.Verdict() != report.Verified {
			t.Errorf("%+v, %s\n%s", h, rep.Verdict(), tell(rep))
		}
		if h := lock(string(oci.DigestOf([]byte("before")))).Hold(&rep); h.Moved != 1 || rep.Verdict() != report.Refuted {
			t.Errorf("moved: %+v, %s\n%s", h, rep.Verdict(), tell(rep))
		}
	}
}

// Where a digest was seen is nobody's word. Who contradicts it is named with a source of its own,
// and what holds for the genuine image is said to be of that.
func TestWhereItWasSeenVouchesForNothing(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	other := digest(t, w, "kube-scheduler:"+version)
	for i, in := range []seen.Input{
		lines(sight.Sighting{Name: proxy, Digest: oci.Digest(digest(t, w, "kube-proxy:"+version)), Reported: true}),
		lines(sight.Sighting{Name: proxy, Digest: oci.Digest(other), Reported: true}),
		archive(saved(t, w, "kube-proxy-amd64:"+version), proxy),
		archive(copyOf(t, w, "kube-scheduler:"+version), proxy), // its own layers contradict it
	} {
		rep := verdict(t, judge(t, w), in)
		copies, named := 0, false
		for _, res := range rep.Results {
			c, ok := res.Check(report.Copy)
			if !ok {
				continue
			}
			copies++
			for _, e := range c.Evidence.All() {
				isPlace := slices.ContainsFunc(res.Places, func(p report.Place) bool { return p.String() == e.Source })
				if isPlace == (e.Strength != nil) {
					t.Errorf("%s at %q has the strength %v", e.What, e.Source, e.Strength)
				}
				named = named || e.Source == "registry.k8s.io/kube-scheduler:"+version && e.Digest == other && *e.Strength == report.Signed
			}
			for _, o := range res.Checks {
				if isOf := strings.HasPrefix(o.Detail, "of the genuine image: "); o.Verdict == report.Verified && isOf != (c.Verdict == report.Refuted) {
					t.Errorf("%s: copy is %s, and %s says %q", res.Subject, c.Verdict, o.Name, o.Detail)
				}
			}
		}
		if copies == 0 || named != (i == 1) {
			t.Errorf("%d copies; whoever contradicts is named: %v\n%s", copies, named, tell(rep))
		}
	}
}

// A digest in a name that was not looked up, since there are too many, may contradict it.
func TestDigestsInNamesBeyondTheCap(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	index := oci.Digest(digest(t, w, "kube-proxy:"+version))
	var all []sight.Sighting
	for i := range 64 {
		all = append(all, sight.Sighting{Name: proxy + "@" + string(oci.DigestOf(fmt.Append(nil, i))), Digest: index, Reported: true})
	}
	if rep := verdict(t, judge(t, w), lines(all...)); rep.Verdict() != report.Verified {
		t.Errorf("64 of them: %s\n%s", rep.Verdict(), tell(rep))
	}
	all = append(all, sight.Sighting{Name: proxy + "@" + digest(t, w, "kube-proxy:v1.27.1"), Digest: index, Reported: true})
	rep := verdict(t, judge(t, w), lines(all...))
	if rep.Verdict() != report.Unknown || !strings.Contains(tell(rep), "not looked up by itself") {
		t.Errorf("65 of them: %s\n%s", rep.Verdict(), tell(rep))
	}
}
