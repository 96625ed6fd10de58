package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/verify"
)

// TestKill kills a real download of 64 MiB with SIGKILL at random points, and
// then lets it finish: it goes on from what is on disk, and no wrong byte ever
// stands under the final name. KILL_SEED repeats a run.
func TestKill(t *testing.T) {
	if os.Getenv("KVERIFY_SLOW_TESTS") == "" {
		t.Skip("it takes some twenty seconds: make slow")
	}
	const (
		path  = "kubernetes-server-linux-amd64.tar.gz"
		size  = 64 << 20
		kills = 20
		mid   = 15      // of them must land in mid-transfer
		twice = 8 << 20 // bytes that one kill may cost
		rate  = 12 << 20
	)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KILL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("KILL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	w := genuine().Clone()
	body := bigFile(w, "v1.27.2", path, size, seed)
	l := newLine(t, w)
	l.rate.Store(rate)
	dir := t.TempDir()
	final, part := filepath.Join(dir, path), filepath.Join(dir, "."+path+".kverify-part")
	length := func() int64 {
		info, err := os.Stat(part)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	args := []string{"download", "v1.27.2", path, "-d", dir, "-q"}

	landed := 0
	var worst, before int64
	for i := range kills {
		begun, carried := length(), l.bytes.Load()
		cmd := l.program(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go func() { _ = cmd.Wait(); close(over) }()
		if i%7 != 6 { // three of twenty are killed wherever they are
			for deadline := time.Now().Add(20 * time.Second); length() <= begun && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(350 * time.Millisecond))))
		_ = cmd.Process.Kill()
		<-over
		switch now := length(); {
		case now > begun && now < size:
			landed++
			lost := l.bytes.Load() - carried - (now - begun)
			worst = max(worst, lost)
		case now < begun:
			t.Errorf("kill %d: the part shrank from %d to %d bytes", i, begun, now)
		}
		if got, err := os.ReadFile(final); err == nil && !bytes.Equal(got, body) {
			t.Fatalf("kill %d: wrong bytes under the final name", i)
		}
		before = length()
	}
	carried := l.bytes.Load()
	l.rate.Store(0)
	cmd := l.program(args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	got, err := os.ReadFile(final)
	if err != nil || !bytes.Equal(got, body) {
		t.Fatalf("%v, or other bytes than were served", err)
	}
	if _, err := os.Stat(final + verify.BundleSuffix); err != nil {
		t.Error(err)
	}
	total := l.bytes.Load()
	t.Logf("%d of %d kills landed in mid-transfer; %d bytes were there at the last; all in all %.1f MiB travelled for %d MiB, documents and TLS with them: %.2f MiB a kill; at most %.2f MiB were lost by one; the last run took %.1f MiB",
		landed, kills, before, mib(total), size>>20, mib(total-size)/kills, mib(worst), mib(total-carried))
	if landed < mid {
		t.Errorf("only %d kills landed in mid-transfer, want %d: the machine is too slow or too fast for this test's speed", landed, mid)
	}
	if worst > twice || (total-size)/kills > twice {
		t.Errorf("a kill cost up to %.1f MiB", mib(worst))
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
