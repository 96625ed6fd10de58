package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain is the world outside too: see startOutside.
func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(asOutside); ok {
		main()
		return
	}
	dir, err := os.MkdirTemp("", "kverify-peers")
	if err != nil {
		panic(err)
	}
	built = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build makes kverify once, from its own module.
var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(built, "kverify")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/kverify")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("kverify does not build: %w\n%s", err, out)
	}
	return bin, nil
})

var built string // the directory it is in

func program(t *testing.T) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// findCosign looks where the tests of test/interop leave it. To build it here
// would take minutes: without it kverify alone is measured.
func findCosign() string {
	for _, name := range []string{os.Getenv("KVERIFY_COSIGN"), "cosign", filepath.Join("..", "..", "bin", "cosign")} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// TestPeers measures once at one round trip: every reference is accepted, the
// numbers of requests and connections are those that the documentation states,
// a run takes at least its round trips, and the tables have every row.
func TestPeers(t *testing.T) {
	b := &bench{dir: t.TempDir(), kverify: program(t)}
	b.cosign = findCosign()
	var err error
	if b.outside, err = startOutside(t.Context(), b.dir, 0); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	if len(b.References) != perRelease || len(b.indexes()) != perRelease/perImage {
		t.Fatalf("%d references, %d of indexes", len(b.References), len(b.indexes()))
	}
	const ms = 20
	all := results{}
	ways := append(b.ways(), b.full())
	for _, w := range ways {
		if w.program == "sh" {
			continue // seconds of work, and the same program as the other way
		}
		for _, redirects := range []bool{false, true} {
			c := at(ms, redirects)
			if _, err := b.run(t.Context(), w, at(0, redirects)); err != nil { // fills the cache, where there is one
				t.Fatal(err)
			}
			f, err := b.run(t.Context(), w, c)
			if err != nil {
				t.Fatal(err)
			}
			all[w.name] = append(all[w.name], measured{c, f})
			t.Logf("%s, %s: %s, %d requests, %d connections, %d bytes", c, w.name, seconds(f.wall), f.Requests, f.Connections, f.Bytes)
		}
	}
	limits := []struct {
		way         string
		redirects   bool
		requests    int64
		connections int64
	}{
		{"kverify", false, 50, 1},
		{"kverify", true, 100, 3},
		{"kverify, warm cache", false, 25, 1},
		{"kverify, warm cache", true, 50, 3}, // the third is made ahead, and not used
	}
	for _, l := range limits {
		f := all.median(l.way, at(ms, l.redirects))
		if f.Requests > l.requests || f.Connections > l.connections {
			t.Errorf("%s, redirects %v: %d requests over %d connections, want at most %d over %d", l.way, l.redirects, f.Requests, f.Connections, l.requests, l.connections)
		}
		if f.cpu <= 0 || f.peak < 10<<20 || f.Bytes < 1000 {
			t.Errorf("%s: %+v is no measurement", l.way, f)
		}
	}
	if f := all.median("kverify", at(ms, false)); f.wall < time.Duration(longest(chains(false, false), chain.roundTrips))*ms*time.Millisecond {
		t.Errorf("%s, which is shorter than the round trips on its way", f.wall)
	}

	var page bytes.Buffer
	all.peers(&page, ways[:len(ways)-1], []int{ms}, perRelease)
	all.whole(&page, b.full(), []int{ms}, perRelease)
	for _, want := range []string{"### Direct", "### Behind", "### Every check", "computed floor, 4 round trips", "times the floor", "| kverify |"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in\n%s", want, &page)
		}
	}
}

// TestScale is a small run of many references, and its picture.
func TestScale(t *testing.T) {
	b := &bench{dir: t.TempDir(), kverify: program(t)}
	picture := filepath.Join(b.dir, "scale.svg")
	if err := b.scale(t.Context(), []int{perRelease, 4 * perRelease}, 1, picture); err != nil {
		t.Error(err)
	}
	if svg, err := os.ReadFile(picture); err != nil || !bytes.Contains(svg, []byte("polyline")) || !bytes.Contains(svg, []byte(">100<")) {
		t.Errorf("no picture: %v\n%s", err, svg)
	}
}

// TestFloor holds the chains to what was counted by hand in
// docs/performance.md.
func TestFloor(t *testing.T) {
	for _, c := range []struct {
		redirects, whole bool
		want, ahead      int
	}{
		{false, false, 4, 4},
		{true, false, 10, 8},
		{false, true, 12, 6},
		{true, true, 12, 10},
	} {
		all := chains(c.redirects, c.whole)
		if n, ahead := longest(all, chain.roundTrips), longest(all, chain.roundTripsAhead); n != c.want || ahead != c.ahead {
			t.Errorf("%+v: %d round trips, %d with connections made ahead", c, n, ahead)
		}
	}
}
