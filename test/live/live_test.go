// Package live asks what only the real hosts can answer: whether the program still
// verifies real releases, and which of the things that are known of the hosts by
// hearsay are so.
//
//	make live                 # ask, and print a line of what each question taught
//	make live RECORD=DIR      # keep what was answered as well, redacted
//	make live REPLAY=DIR      # ask such a recording again
//	make live ANSWERS=DIR     # write answers.txt, and issue.md if one is other than in this directory's answers.txt
//
// Where no host answers, every question skips by name. Without KVERIFY_LIVE, as in
// make test, the same questions go to a world on loopback, by the same program over
// the same proxies, and each answer must be the one that is right of that world.
package live

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/recording"
	"github.com/kverify/kverify/pkg/release"
)

// aWorld is what make test asks: releases of the ages that are asked about.
func aWorld(t *testing.T) *internet {
	w := theWorld()
	return behind(t, w).under(t, w)
}

// newest is the newest release that kverify knows of, below which it believes no
// channel, and a candidate of the next minor.
func newest() (stable, candidate string) {
	known, _ := release.Snapshot()
	return known[0].String(), fmt.Sprintf("v%d.%d.0-rc.1", known[0].Major, known[0].Minor+1)
}

func theWorld() *world.World {
	stable, candidate := newest()
	w := world.New(world.Options{Versions: []string{"v1.24.0", "v1.27.2", stable, candidate}})
	world.NewTUF(w.TrustedRootJSON()).Publish(w)
	w.PutPackages(stable)
	return w
}

// TestLive asks every question. A verdict that is worse than what is known changes
// an answer; that a genuine release is refuted fails.
func TestLive(t *testing.T) {
	in, known := theInternet(t)
	got := answers{}
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) {
			if in.down != "" {
				t.Skip(in.down)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			l, err := q.ask(ctx, in, t.TempDir())
			if err != nil {
				got[q.name] = learned{answer: "it could not be asked", detail: err.Error()}
				t.Fatal(err)
			}
			got[q.name] = l
			t.Logf("%s: %s (%s)", q.name, l.answer, l.detail)
			if l.wrong {
				t.Error("kverify refutes what nothing else speaks against")
			}
		})
	}
	if in.down != "" {
		t.Skip(in.down)
	}
	before, err := readAnswers(known)
	if err != nil {
		t.Fatal(err)
	}
	changed := got.other(before)
	if os.Getenv("KVERIFY_LIVE") == "" {
		for _, c := range changed {
			t.Errorf("%s: %q, and right is %q", c.name, c.is, c.was)
		}
		return
	}
	for _, c := range changed {
		t.Logf("changed: %s: %s; it was: %s", c.name, c.is, c.was)
	}
	if dir := os.Getenv("ANSWERS"); dir != "" {
		if err := got.write(dir, changed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAsOnTheInternet runs two questions as make live does, with a world at the end
// of the way out of this machine: asked and recorded, then out of the recording.
func TestAsOnTheInternet(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	w, dir := theWorld(), t.TempDir()
	in := behind(t, w).under(t, w)
	run := func(answers string, env ...string) string {
		cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run", "^TestLive$/^(images-old|rekor-by-hash)$")
		cmd.Env = append(append(slices.Clone(in.env), "KVERIFY_LIVE=1", "KVERIFY="+bin, "ANSWERS="+filepath.Join(dir, answers)), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		issue, err := os.ReadFile(filepath.Join(dir, answers, "issue.md"))
		if err != nil {
			t.Fatalf("nothing had been asked before, and no answer changed: %v\n%s", err, out)
		}
		return string(issue)
	}
	recorded := filepath.Join(dir, "recorded")
	asked := run("asked", "RECORD="+recorded)
	if !strings.Contains(asked, "**images-old**") || !strings.Contains(asked, "is:  verified") || strings.Contains(asked, "**file-old**") {
		t.Errorf("the issue of what was asked:\n%s", asked)
	}
	if again := run("again", "REPLAY="+recorded, "HTTPS_PROXY=http://127.0.0.1:1"); again != asked {
		t.Errorf("the issue of the recording:\n%s\nand of what was asked:\n%s", again, asked)
	}
}

// TestRecordingOfAFailure holds that what went wrong once goes wrong again out of
// its recording, and what went well goes well, by the same program.
func TestRecordingOfAFailure(t *testing.T) {
	w := theWorld()
	stable, _ := newest()
	w.SwapImage(stable, "kube-scheduler", "kube-proxy")
	w.SetIndex(world.IndexDown)
	dir := filepath.Join(t.TempDir(), "recording")
	r, err := recording.Record(w, dir)
	if err != nil {
		t.Fatal(err)
	}
	asked := []question{
		{"images-stable", images("stable")}, {"verify-old", verify("v1.27.2")}, {"rekor-by-hash", rekorByHash}, {"package", kubeletPackage},
	}
	ask := func(in *internet) answers {
		got := answers{}
		for _, q := range asked {
			l, err := q.ask(t.Context(), in, t.TempDir())
			if err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			got[q.name] = l
		}
		return got
	}
	first := ask(behind(t, r).under(t, w))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !first["images-stable"].wrong || first["verify-old"].answer != "verified" || first["rekor-by-hash"].answer != "status 503" {
		t.Errorf("of the world: %+v", first)
	}
	back, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := ask(behind(t, back).under(t, w))
	for name, l := range first {
		if second[name] != l {
			t.Errorf("%s: %+v, out of the recording %+v", name, l, second[name])
		}
	}
	for _, q := range back.Missing() {
		t.Errorf("not in the recording: %s", q)
	}
}
