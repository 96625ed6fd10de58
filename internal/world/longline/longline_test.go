package longline_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world/longline"
)

// sink sends n bytes to whoever connects.
func sink(t *testing.T, n int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Write(make([]byte, n))
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// receive takes so many connections over a line at once, and says how long that took.
func receive(t *testing.T, l *longline.Line, n, conns int) time.Duration {
	t.Helper()
	dial := l.Dial(sink(t, n))
	begun := time.Now()
	var all sync.WaitGroup
	for range conns {
		all.Go(func() {
			conn, err := dial(t.Context(), "", "")
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.Copy(io.Discard, conn); got != int64(n) || err != nil {
				t.Errorf("%d bytes: %v", got, err)
			}
			_ = conn.Close()
		})
	}
	all.Wait()
	return time.Since(begun)
}

// TestLine holds that a line takes no less time than its model says.
func TestLine(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		what     string
		line     *longline.Line
		n, conns int
		least    time.Duration
	}{
		// The connection and half a round trip for the first byte.
		{"round trip", &longline.Line{RTT: 40 * time.Millisecond}, 1, 1, 60 * time.Millisecond},
		{"one connection's rate", &longline.Line{Each: 10 * mega}, 2 * mega, 1, 190 * time.Millisecond},
		{"two connections' rate", &longline.Line{Each: 10 * mega}, 2 * mega, 2, 190 * time.Millisecond},
		{"bottleneck", &longline.Line{Total: 10 * mega}, mega, 2, 190 * time.Millisecond},
		// 14600 bytes in the first round, twice as much in each further one: five rounds for 300 KB.
		{"slow start", &longline.Line{RTT: 40 * time.Millisecond, Each: 100 * mega}, 300_000, 1, (40 + 20 + 4*40) * time.Millisecond},
	} {
		took := receive(t, c.line, c.n, c.conns)
		t.Logf("%s: %v", c.what, took)
		if took < c.least || took > 10*c.least+time.Second {
			t.Errorf("%s: took %v, want at least %v", c.what, took, c.least)
		}
		if got := c.line.Connections.Load(); got != int64(c.conns) || c.line.Bytes.Load() != int64(c.n*c.conns) {
			t.Errorf("%s: %d connections, %d bytes", c.what, got, c.line.Bytes.Load())
		}
	}
}

// TestLineRefuses holds that the bound of connections is one at a time.
func TestLineRefuses(t *testing.T) {
	l := &longline.Line{Most: 1}
	dial := l.Dial(sink(t, 1))
	first, err := dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t.Context(), "", ""); err == nil {
		t.Error("a second connection")
	}
	_ = first.Close()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := dial(t.Context(), "", ""); err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatal("no connection after the first has ended")
		}
	}
}
