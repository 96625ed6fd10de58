package watch

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	older, newer = "v1.99.1", "v1.99.2"
	proxy        = "registry.k8s.io/kube-proxy:" + newer
	scheduler    = "registry.k8s.io/kube-scheduler:" + newer
	marker       = "https://dl.k8s.io/release/stable-1.99.txt"
)

var genuine = sync.OnceValue(func() *world.World { return world.New(world.Options{Versions: []string{older, newer}}) })

// life is a watcher over a world that changes.
type life struct {
	*Watcher
	t *testing.T

	mu       sync.Mutex
	world    *world.World // as the next round sees it
	events   []Event
	said     []string
	judged   int
	names    []string // of images of a release
	refs     []string // of the images that were named
	tampered func(report.Report) report.Report
}

// begin makes a watcher of one release's kube-proxy and kube-scheduler, on one platform.
func begin(t *testing.T, versions ...string) *life {
	t.Helper()
	l := &life{t: t, world: genuine().Clone(), names: []string{"kube-proxy", "kube-scheduler"}}
	root, err := trust.ParseRoot(l.world.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	l.Watcher = &Watcher{Every: time.Hour, Jitter: 6 * time.Minute, Reverify: 24 * time.Hour}
	for _, v := range versions {
		parsed, err := release.ParseVersion(v)
		if err != nil {
			t.Fatal(err)
		}
		l.Versions = append(l.Versions, parsed)
	}
	l.Tell = func(e Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, e)
	}
	l.Say = func(format string, args ...any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.said = append(l.said, fmt.Sprintf(format, args...))
	}
	l.Open = func(context.Context) (*Outside, error) {
		l.mu.Lock()
		w := l.world.Clone() // a clone counts no requests of earlier rounds
		l.mu.Unlock()
		v := verify.New(l.Metrics.Meter(w))
		v.Root = root
		return &Outside{
			Resolve: func(ctx context.Context, channel string) (release.Version, error) {
				return release.Resolve(ctx, v.Fetch, channel)
			},
			Reads: func(ref registry.Ref) bool { return ref.Host == world.HostRegistry },
			Digest: func(ctx context.Context, ref registry.Ref) (oci.Digest, error) {
				if ref.Host != world.HostRegistry {
					l.t.Errorf("%s was asked", ref)
				}
				m, err := v.Registry.Manifest(ctx, ref)
				if err != nil {
					return "", err
				}
				return m.Digest, nil
			},
			Judge: func(ctx context.Context, u Unit) (report.Report, error) {
				l.mu.Lock()
				l.judged++
				tampered := l.tampered
				l.mu.Unlock()
				rep, err := l.judge(ctx, v, u)
				if tampered != nil {
					rep = tampered(rep)
				}
				return rep, err
			},
		}, nil
	}
	return l
}

func (l *life) judge(ctx context.Context, v *verify.Verifier, u Unit) (report.Report, error) {
	if u.Name != Images {
		return v.Images(ctx, verify.Request{Versions: []release.Version{u.Version}, Names: l.names, Arches: []string{"amd64"}})
	}
	l.mu.Lock()
	named := l.refs
	l.mu.Unlock()
	var refs []registry.Ref
	for _, r := range named {
		ref, err := registry.ParseRef(r)
		if err != nil {
			l.t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	return v.References(ctx, refs)
}

// change changes the world, as the next round will see it.
func (l *life) change(f func(*world.World)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.world.Clone()
	f(w)
	l.world = w
}

// name names images, as a list that is changed does.
func (l *life) name(refs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refs = refs
}

// honest is the world as it was.
func (l *life) honest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.world = genuine().Clone()
}

// told are the events since it was asked last, by kind and what they are about.
func (l *life) told() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		about := e.Unit
		if strings.Contains(e.Subject, "-amd64:") {
			continue // the repository of an architecture, which moves with its index
		}
		if e.Subject != "" {
			about = e.Subject
		}
		if e.Kind == Verdict {
			about = strings.Join(e.Subjects, " ") + " " + e.Old + " " + e.New
		}
		list = append(list, string(e.Kind)+" "+about)
	}
	l.events = nil
	return list
}

func (l *life) tells(want ...string) {
	l.t.Helper()
	if got := l.told(); !slices.Equal(got, want) {
		l.t.Errorf("told %q, want %q; said %q", got, want, l.said)
	}
}

// hours lets time pass until n more rounds have begun and ended.
func (l *life) hours(n int) {
	for range n {
		time.Sleep(l.Every + l.Jitter)
		synctest.Wait()
	}
}

// live runs it in a bubble, where months pass in no time.
func live(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	genuine() // which other tests share
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)))
		run(t)
	})
}

// start runs it until the function that it gives is called.
func (l *life) start() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		l.Run(ctx)
	}()
	synctest.Wait()
	return func() { cancel(); <-over }
}

func (l *life) once(want report.Verdict) {
	l.t.Helper()
	if got, err := l.Once(context.Background()); got != want {
		l.t.Errorf("the round is %v (%v), want %v; said %q", got, err, want, l.said)
	}
}

// TestMonth lives through thirty days in which nothing happens: nothing is told, all is verified
// anew each day, memory stays where it was, and no goroutine is left (else the bubble fails).
func TestMonth(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t, newer)
		l.Supported, l.names = false, []string{"kube-proxy"}
		end := l.start()
		heap := func() uint64 {
			var m runtime.MemStats
			l.mu.Lock()
			l.said = nil
			l.mu.Unlock()
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		day := func(n int) { time.Sleep(time.Duration(n) * 24 * time.Hour); synctest.Wait() }
		day(3)
		early := heap()
		day(27)
		late := heap()
		end()
		l.tells()
		rounds, judged := l.Metrics.rounds, l.judged
		t.Logf("%d rounds, %d verifications; the heap was %d KiB after 3 days and %d KiB after 30", rounds, judged, early>>10, late>>10)
		if rounds < 600 || rounds > 721 || judged < 28 || judged > 31 {
			t.Errorf("%d rounds and %d verifications in thirty days", rounds, judged)
		}
		if late > early+1<<20 {
			t.Errorf("the heap has grown from %d to %d bytes", early, late)
		}
	})
}

// TestTags has a tag that moves, and one that moves and moves back between two polls.
func TestTags(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t, newer)
		end := l.start()
		defer end()
		l.tells()
		swap := func(w *world.World) { w.SwapImage(newer, "kube-proxy", "kube-scheduler") }

		l.change(swap)
		time.Sleep(time.Minute)
		l.honest()
		l.hours(1)
		l.tells() // nobody looked

		l.change(swap)
		l.hours(1)
		l.tells("tag "+proxy, "refuted "+newer, "verdict "+newer+" verified refuted")
		l.hours(5)
		l.tells() // it is told once
		l.honest()
		l.hours(1)
		l.tells("tag "+proxy, "verdict "+newer+" refuted verified")
		l.change(swap)
		l.hours(1)
		l.tells("tag "+proxy, "refuted "+newer, "verdict "+newer+" verified refuted") // and again, once it was well
	})
}

// TestCut cuts the line: what could not be read is unknown, what was refuted stays so, and the
// time of the last answer stands.
func TestCut(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t, newer)
		end := l.start()
		defer end()
		subject := func() subject {
			l.Watcher.mu.Lock()
			defer l.Watcher.mu.Unlock()
			return *l.state.Units[newer].Subjects[newer]
		}
		at := subject().WasAt
		l.change(func(w *world.World) { w.Refuse("https://registry.k8s.io/*") })
		l.hours(1)
		l.tells("verdict " + newer + " verified unknown")
		if s := subject(); s.Was != report.Verified || !s.WasAt.Equal(at) || s.standing() != report.Unknown {
			t.Errorf("cut: %+v", s)
		}
		l.hours(3)
		l.tells()
		l.honest()
		l.hours(1)
		l.tells("verdict " + newer + " unknown verified")
		l.change(func(w *world.World) { w.SwapImage(newer, "kube-proxy", "kube-scheduler") })
		l.hours(1)
		l.told()
		l.change(func(w *world.World) { w.Refuse("https://registry.k8s.io/*") })
		l.hours(48)
		l.tells()
		if s := subject(); s.standing() != report.Refuted || s.latest != report.Unknown {
			t.Errorf("refuted, then cut: %+v", s)
		}
	})
}

// TestReleases has a marker that goes forwards and backwards.
func TestReleases(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Channels = []string{"1.99"}
		say := func(version string) {
			l.change(func(w *world.World) { w.Tamper(marker, func([]byte) []byte { return []byte(version) }) })
		}
		say(older)
		end := l.start()
		defer end()
		l.tells()
		say(newer)
		l.hours(1)
		l.tells("release " + newer)
		if len(l.state.Units) != 1 || l.state.Units[newer] == nil {
			t.Errorf("watched: %v", l.state.Units)
		}
		say(older)
		l.hours(2)
		l.tells()
		if l.state.Units[newer] == nil || l.Metrics.failures[failedChannel] == 0 || !strings.Contains(strings.Join(l.said, " "), "rolled back") {
			t.Errorf("a marker that goes backwards: %q", l.said)
		}
	})
}

// TestSuperseded has a release that was refuted when the next one came: it is watched until it is well.
func TestSuperseded(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Channels = []string{"1.99"}
		old := "registry.k8s.io/kube-proxy:" + older
		l.change(func(w *world.World) {
			w.Tamper(marker, func([]byte) []byte { return []byte(older) })
			w.SwapImage(older, "kube-proxy", "kube-scheduler")
		})
		end := l.start()
		defer end()
		l.tells("refuted " + older)
		l.honest()
		l.change(func(w *world.World) { w.SwapImage(older, "kube-proxy", "kube-scheduler") })
		l.hours(2)
		l.tells("release " + newer)
		if len(l.state.Units) != 2 {
			t.Errorf("watched: %v", l.state.Units)
		}
		l.honest()
		l.hours(2)
		l.tells("tag "+old, "verdict "+older+" refuted verified")
		if len(l.state.Units) != 1 {
			t.Errorf("watched: %v", l.state.Units)
		}
	})
}

// TestSupported takes in the minors of the schedule and what is newer than all of them.
func TestSupported(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Supported = true
		l.begin()
		out := &Outside{Resolve: func(_ context.Context, channel string) (release.Version, error) {
			if channel == "stable" {
				channel = "1.38"
			}
			return release.ParseVersion("v" + channel + ".1")
		}}
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
		var names []string
		for _, u := range l.units(t.Context(), out) {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); !strings.HasSuffix(got, "v1.37.1 v1.38.1") || len(names) < 4 {
			t.Errorf("watched: %s", got)
		}
		time.Sleep(time.Until(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)))
		names = nil
		for _, u := range l.units(t.Context(), out) {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != "v1.38.1" {
			t.Errorf("long after the schedule: %s", got)
		}
	})
}

// TestOnce is a CronJob's worth: everything is verified in every run, whatever the state says.
func TestOnce(t *testing.T) {
	live(t, func(t *testing.T) {
		dir := t.TempDir()
		run := func(want report.Verdict, change func(*world.World)) *life {
			l := begin(t, newer)
			if change != nil {
				l.change(change)
			}
			store, err := OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			l.Store = store
			l.once(want)
			if l.judged != 1 {
				t.Errorf("%d verifications", l.judged)
			}
			return l
		}
		swap := func(w *world.World) { w.SwapImage(newer, "kube-proxy", "kube-scheduler") }
		run(report.Verified, nil).tells()
		run(report.Verified, nil).tells()
		run(report.Unknown, func(w *world.World) { w.Refuse("https://registry.k8s.io/*") }).tells("verdict " + newer + " verified unknown")
		run(report.Refuted, swap).tells("tag "+proxy, "refuted "+newer, "verdict "+newer+" unknown refuted")
		run(report.Refuted, swap).tells()
		run(report.Refuted, func(w *world.World) { w.Refuse("https://registry.k8s.io/*") }).tells()
		run(report.Verified, nil).tells("tag "+proxy, "verdict "+newer+" refuted verified")
	})
}

// TestNamed watches images by name, of which each has a verdict of its own.
func TestNamed(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Images, l.refs = true, []string{proxy, scheduler}
		end := l.start()
		defer end()
		l.tells()
		l.change(func(w *world.World) { w.SwapImage(newer, "kube-proxy", "kube-scheduler") })
		l.hours(1)
		l.tells("tag "+proxy, "refuted images", "verdict "+proxy+" verified refuted")
		if c := l.state.counts(); c.Refuted != 1 || c.Unknown != 0 {
			t.Errorf("%+v", c)
		}
		l.name(scheduler)
		l.hours(1)
		l.tells()
		if c := l.state.counts(); c.Refuted != 0 || len(l.state.Units[Images].Tags) != 1 {
			t.Errorf("%+v %v", c, l.state.Units[Images].Tags)
		}
	})
}

// TestEnded ends a watch in the middle of a verification: nothing of it is recorded.
func TestEnded(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t, newer)
		l.change(func(w *world.World) { w.Delay("https://registry.k8s.io/*", time.Hour) })
		end := l.start()
		time.Sleep(time.Minute)
		end()
		l.tells()
		if s := l.state.Units[newer].Subjects[newer]; s != nil {
			t.Errorf("recorded: %+v", s)
		}
	})
}

// TestFaults has what a verification may end in besides a report.
func TestFaults(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t, newer)
		end := l.start()
		defer end()
		judge := func(f func(report.Report) report.Report) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.tampered = f
		}
		judge(func(report.Report) report.Report { panic("a fault") })
		l.hours(25)
		l.tells("verdict " + newer + " verified unknown")
		judge(nil)
		l.hours(1)
		l.tells("verdict " + newer + " unknown verified")
		judge(func(r report.Report) report.Report {
			r.Results = slices.Repeat(r.Results[:1], maxResults+1)
			return r
		})
		l.hours(25)
		l.tells("verdict " + newer + " verified unknown")
		judge(func(report.Report) report.Report { return report.Report{} }) // which proves nothing
		l.hours(1)
		l.tells()
		if v := l.verdict(); v != report.Unknown {
			t.Errorf("the verdict is %v", v)
		}
	})
}

// TestForeignNames has a list, and a state, that name a host which nobody asked to be asked.
func TestForeignNames(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Images, l.refs = true, []string{proxy}
		l.tampered = func(r report.Report) report.Report {
			evil := r.Results[0]
			evil.Subject = "evil.example/kube-proxy:" + newer
			r.Results = append(slices.Clone(r.Results), evil)
			return r
		}
		end := l.start()
		defer end()
		l.Watcher.mu.Lock()
		l.state.Units[Images].Tags["evil.example/x:v1"] = ""
		l.Watcher.mu.Unlock()
		l.hours(30)
		if c := l.state.counts(); c.Verified < 2 {
			t.Errorf("%+v", c)
		}
	})
}

// TestMarkerError has a marker that names what was never released, and is then right again.
func TestMarkerError(t *testing.T) {
	live(t, func(t *testing.T) {
		l := begin(t)
		l.Channels = []string{"1.99"}
		end := l.start()
		defer end()
		l.change(func(w *world.World) { w.Tamper(marker, func([]byte) []byte { return []byte("v1.99.77") }) })
		l.hours(2)
		l.tells("release v1.99.77")
		l.honest()
		l.hours(2)
		l.tells()
		if v := l.verdict(); v != report.Verified || l.state.Units[newer] == nil {
			t.Errorf("%v: %v", v, l.state.Units)
		}
	})
}

// TestOpenFails has a mirror that is gone: what was verified becomes unknown when it would be verified again.
func TestOpenFails(t *testing.T) {
	live(t, func(t *testing.T) {
		there := begin(t, newer)
		open := there.Open
		gone := false
		there.Open = func(ctx context.Context) (*Outside, error) {
			if there.mu.Lock(); gone {
				defer there.mu.Unlock()
				return nil, &fetch.Error{Method: http.MethodGet, URL: marker}
			}
			there.mu.Unlock()
			return open(ctx)
		}
		end := there.start()
		there.mu.Lock()
		gone = true
		there.mu.Unlock()
		there.hours(5)
		there.tells()
		there.hours(25)
		there.tells("verdict " + newer + " verified unknown")
		end()
		l := begin(t, newer)
		l.Open = func(context.Context) (*Outside, error) {
			return nil, &fetch.Error{Method: http.MethodGet, URL: marker}
		}
		l.once(report.Unknown)
	})
}
