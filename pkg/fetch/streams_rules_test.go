package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
)

// nowhere is a connection that only knows whether it was closed.
type nowhere struct {
	net.Conn
	closed int
}

func (n *nowhere) Close() error { n.closed++; return nil }

// TestWhoMayDial holds when one more connection may be made to a host, and what is then expected of
// its limit of streams.
func TestWhoMayDial(t *testing.T) {
	for name, tt := range map[string]struct {
		s           streams
		ok, counted bool
		limit       int
	}{
		"not known to speak HTTP/2": {streams{fresh: 1, busy: 9}, true, false, 0}, "failed before": {streams{h2: true, failed: true, fresh: 1, busy: 9}, true, false, 0},
		"the first": {streams{h2: true}, true, true, 0}, "one is not settled": {streams{h2: true, fresh: 1}, false, false, 0},
		"one is full": {streams{h2: true, busy: 1, flying: 100}, true, true, 100}, "three are full": {streams{h2: true, busy: 3, flying: 25, limit: 9}, true, true, 8},
		"they carry nothing": {streams{h2: true, busy: 3, flying: 2}, true, true, 1}, "as many as may be": {streams{h2: true, busy: 4, flying: 9}, false, false, 0}, "more": {streams{h2: true, busy: 5, flying: 9}, false, false, 0},
		"none is used": {streams{h2: true, flying: 9, limit: 7}, true, true, 7},
	} {
		fresh := tt.s.fresh
		if tt.counted {
			fresh++
		}
		if ok, counted := tt.s.mayDial(4); ok != tt.ok || counted != tt.counted || tt.s.limit != tt.limit || tt.s.fresh != fresh {
			t.Errorf("%s: %v, counted %v, %+v", name, ok, counted, tt.s)
		}
	}
	for name, tt := range map[string]struct {
		s    streams
		want bool
	}{
		"full": {streams{fresh: 1, limit: 8, under: 8}, true}, "over full": {streams{fresh: 1, limit: 8, under: 9}, true}, "room": {streams{fresh: 1, limit: 8, under: 7}, false},
		"room on another": {streams{fresh: 1, limit: 8, under: 15, busy: 1}, false}, "full on all": {streams{fresh: 1, limit: 8, under: 16, busy: 1}, true},
		"all are settled": {streams{limit: 8, under: 99}, false}, "no limit is known": {streams{fresh: 1, under: 99}, false},
	} {
		if got := tt.s.full(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTheLineForStreams holds that one that has ended calls the first in line, and that all are
// called once a connection is settled.
func TestTheLineForStreams(t *testing.T) {
	called := func(line []chan struct{}) (list string) {
		for _, turn := range line {
			select {
			case <-turn:
				list += "y"
			default:
				list += "n"
			}
		}
		return list
	}
	for name, tt := range map[string]struct {
		do                 func(s *streams)
		waiting            int
		want               string
		left, fresh, count int
	}{
		"freed": {(*streams).freed, 3, "ynn", 2, 1, 1}, "freed, nobody waits": {(*streams).freed, 0, "", 0, 1, 1}, "freed twice": {func(s *streams) { s.freed(); s.freed() }, 3, "yyn", 1, 1, 2},
		"all called": {(*streams).callAll, 3, "yyy", 0, 1, 1}, "settled": {(*streams).settled, 3, "yyy", 0, 0, 1},
	} {
		s := &streams{fresh: 1}
		for range tt.waiting {
			s.line = append(s.line, make(chan struct{}))
		}
		line := s.line
		if tt.do(s); called(line) != tt.want || len(s.line) != tt.left || s.fresh != tt.fresh || s.changes != tt.count {
			t.Errorf("%s: called %s, %+v", name, called(line), s)
		}
	}
}

// TestDials holds for whom it is dialled, what is counted of it, and whose a connection is.
func TestDials(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		host   *streams // nil: no request of a host
		addr   string
		err    error
		want   string
		failed bool
		fresh  int
	}{
		"for nobody":             {nil, "a.example:443", nil, "plain", false, 0},
		"for nobody, and fails":  {nil, "a.example:443", failed, "failed", false, 0},
		"the first":              {&streams{}, "a.example:443", nil, "direct", false, 0},
		"over a proxy":           {&streams{}, "proxy.example:3128", nil, "shared", false, 0},
		"one more":               {&streams{h2: true}, "a.example:443", nil, "direct fresh", false, 1},
		"one more, and fails":    {&streams{h2: true}, "a.example:443", failed, "failed", true, 0},
		"the first fails":        {&streams{}, "a.example:443", failed, "failed", false, 0},
		"one is not settled yet": {&streams{h2: true, fresh: 1}, "a.example:443", nil, "full", false, 1},
	} {
		g := newGate(nil)
		ctx, dialled := t.Context(), 0
		h := g.host(at(t, "https://a.example/"))
		if tt.host != nil {
			h.streams = *tt.host
			ctx = withHost(ctx, h)
		}
		conn, err := g.dialer(func(_ context.Context, _, addr string) (net.Conn, error) {
			if dialled++; addr != tt.addr {
				t.Errorf("%s: dialled %s", name, addr)
			}
			return &nowhere{}, tt.err
		})(ctx, "tcp", tt.addr)
		got := ""
		switch c := conn.(type) {
		case *nowhere:
			got = "plain"
		case *shared:
			if got = "shared"; c.direct {
				got = "direct"
			}
			if c.fresh {
				got += " fresh"
			}
			if c.gate != g || c.host != h {
				t.Errorf("%s: of another", name)
			}
		}
		if errors.Is(err, failed) {
			got = "failed"
		} else if errors.Is(err, errFull) {
			got = "full"
		}
		if got != tt.want || h.failed != tt.failed || h.fresh != tt.fresh || (dialled > 0) == (tt.want == "full") {
			t.Errorf("%s: %s, dialled %d times, %+v", name, got, dialled, h.streams)
		}
	}
}

// TestUsesOfConnections holds what is counted of requests and the connections that they are given,
// step by step.
func TestUsesOfConnections(t *testing.T) {
	g := newGate(nil)
	h := g.host(at(t, "https://a.example/"))
	h.under, h.failed = 2, true
	one := &shared{Conn: &nowhere{}, gate: g, host: h}
	fresh := &shared{Conn: &nowhere{}, gate: g, host: h, fresh: true}
	h.fresh = 1
	first, second := &use{gate: g, host: h}, &use{gate: g, host: h}
	var turn chan struct{}
	inLine := func() {
		turn = make(chan struct{})
		h.line = []chan struct{}{turn}
	}
	for i, step := range []struct {
		do   func()
		want string // flying, busy, under, fresh, changes, in line
	}{
		{func() { inLine(); first.took(nil) }, "0 0 2 1 0 1 true"},
		{func() { first.took(&nowhere{}) }, "0 0 2 1 0 1 true"}, // none of this package
		{func() { first.took(one) }, "1 1 2 1 0 1 false"},
		{func() { second.took(tls.Client(one, nil)) }, "2 1 2 1 0 1 false"}, // below its TLS
		{func() { first.answered() }, "2 1 2 1 0 1 false"},                  // of which nothing new is known
		{func() { second.took(fresh) }, "2 2 2 1 1 0 false"},                // who waits may try it
		{func() { inLine(); second.answered() }, "2 2 2 0 2 0 false"},       // its limit is known
		{func() { second.answered() }, "2 2 2 0 2 0 false"},
		{func() { inLine(); first.ended() }, "1 1 1 0 3 0 false"},
		{func() { first.ended() }, "1 1 1 0 3 0 false"}, // once
		{func() { first.took(one) }, "1 1 1 0 3 0 false"},
		{func() { inLine(); second.drop() }, "0 0 1 0 3 1 false"},
		{func() { second.over() }, "0 0 0 0 3 1 false"}, // without a connection it frees no stream
	} {
		if step.do(); fmt.Sprint(h.flying, h.busy, h.under, h.fresh, h.changes, len(h.line), h.failed) != step.want {
			t.Errorf("step %d: %+v, want %s", i, h.streams, step.want)
		}
	}
	if one.flying != 0 || fresh.flying != 0 || fresh.fresh {
		t.Errorf("%d and %d requests on them", one.flying, fresh.flying)
	}
}

// TestConnectionsThatEnd holds that one which ends before it was settled is waited for no longer, and
// counts as failed if it carried nothing.
func TestConnectionsThatEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		fresh  bool
		flying int
		failed bool
		left   int
	}{"settled": {false, 0, false, 1}, "never used": {true, 0, true, 0}, "used": {true, 1, false, 0}} {
		g := newGate(nil)
		h := g.host(at(t, "https://a.example/"))
		h.fresh = 1
		raw := &nowhere{}
		c := &shared{Conn: raw, gate: g, host: h, fresh: tt.fresh, flying: tt.flying}
		for range 2 {
			if err := c.Close(); err != nil || h.failed != tt.failed || h.fresh != tt.left {
				t.Errorf("%s: %+v %v", name, h.streams, err)
			}
		}
		if raw.closed != 2 {
			t.Errorf("%s: closed %d times", name, raw.closed)
		}
	}
}
