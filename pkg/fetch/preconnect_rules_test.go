package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// led is an answer, and where it leads to.
type led struct {
	asked, to     string
	status, proto int
}

// TestWhereOneWasLed holds which redirects are told of: once, those over https to another host, which then
// answered over HTTP/2.
func TestWhereOneWasLed(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []led
		want    string
	}{
		"it answers":                  {[]led{{"https://a.example/", "https://B.example/x", 302, 2}, {"https://b.example/x", "", 200, 2}}, "a.example->b.example"},
		"in other letters":            {[]led{{"https://A.example/", "https://b.example/x", 302, 2}, {"https://B.example/x", "", 404, 2}}, "a.example->b.example"},
		"once":                        {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 2}, {"https://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 2}}, "a.example->b.example"},
		"from two, the first":         {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"https://c.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 2}}, "a.example->b.example"},
		"on and on":                   {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "https://c.example/", 302, 2}, {"https://c.example/", "", 200, 2}}, "b.example->c.example"},
		"it does not answer":          {[]led{{"https://a.example/", "https://b.example/", 302, 2}}, ""},
		"over HTTP/1":                 {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 1}}, ""},
		"over HTTP/1, and then not":   {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 1}, {"https://b.example/", "", 200, 2}}, "a.example->b.example"},
		"to itself":                   {[]led{{"https://a.example/", "https://A.example/x", 302, 2}, {"https://a.example/x", "", 200, 2}}, ""},
		"to plain HTTP":               {[]led{{"https://a.example/", "http://b.example/", 302, 2}, {"https://b.example/", "", 200, 2}}, ""},
		"from plain HTTP":             {[]led{{"http://a.example/", "https://b.example/", 302, 2}, {"https://b.example/", "", 200, 2}}, ""},
		"a Location of what is there": {[]led{{"https://a.example/", "https://b.example/", 201, 2}, {"https://b.example/", "", 200, 2}}, ""},
		"answered over plain HTTP":    {[]led{{"https://a.example/", "https://b.example/", 302, 2}, {"http://b.example/", "", 200, 2}}, ""},
		"nobody was led":              {[]led{{"https://b.example/", "", 200, 2}}, ""},
	} {
		told := ""
		i := 0
		p := &Preconnect{Led: func(from, to string) { told += from + "->" + to }}
		p.Next = tripper(func(r *http.Request) (*http.Response, error) {
			a := tt.answers[i]
			resp := &http.Response{StatusCode: a.status, ProtoMajor: a.proto, Header: http.Header{}, Body: http.NoBody, Request: r}
			if a.to != "" {
				resp.Header.Set("Location", a.to)
			}
			return resp, nil
		})
		for i = range tt.answers {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.answers[i].asked, nil)
			if _, err := p.RoundTrip(req); err != nil {
				t.Error(err)
			}
		}
		if told != tt.want {
			t.Errorf("%s: told %q", name, told)
		}
		p.Led = nil
		if _, err := p.RoundTrip(&http.Request{URL: at(t, "https://b.example/")}); err != nil {
			t.Errorf("%s, and nobody is told: %v", name, err)
		}
	}
	p := &Preconnect{Led: func(string, string) {}}
	for i := range maxLed + 5 {
		p.note(at(t, "https://a.example/"), &http.Response{StatusCode: 302, Header: http.Header{"Location": {fmt.Sprintf("https://%d.example/", i)}}})
	}
	if len(p.led) != maxLed {
		t.Errorf("%d hosts are remembered", len(p.led))
	}
}

// onClose is an empty body that tells that it was closed.
type onClose func()

func (onClose) Read([]byte) (int, error) { return 0, io.EOF }
func (f onClose) Close() error           { f(); return nil }

// TestConnectedOnce holds which hosts are connected to ahead, and that each is once, whoever leads there.
func TestConnectedOnce(t *testing.T) {
	hosts := map[string][]string{"a.example": {"b.example", "c.example"}, "c.example": {"d.example"}, "example.org": {"b.example", "e.example"}}
	connect := func(host string) func(p *Preconnect, ctx context.Context) {
		return func(p *Preconnect, ctx context.Context) { p.Connect(ctx, host) }
	}
	ask := func(url string) func(p *Preconnect, ctx context.Context) {
		return func(p *Preconnect, ctx context.Context) {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			_, _ = p.RoundTrip(req)
		}
	}
	for name, tt := range map[string]struct {
		steps []func(p *Preconnect, ctx context.Context)
		want  string
	}{
		"asked":                {[]func(*Preconnect, context.Context){ask("https://A.example/")}, "b.example c.example"},
		"asked twice":          {[]func(*Preconnect, context.Context){ask("https://a.example/"), ask("https://a.example/x")}, "b.example c.example"},
		"one was asked before": {[]func(*Preconnect, context.Context){ask("https://b.example/"), ask("https://a.example/")}, "c.example"},
		"one leads on":         {[]func(*Preconnect, context.Context){ask("https://a.example/"), ask("https://c.example/")}, "b.example c.example d.example"},
		"below a domain":       {[]func(*Preconnect, context.Context){ask("https://x.example.org/")}, "b.example e.example"},
		"the domain itself":    {[]func(*Preconnect, context.Context){ask("https://example.org/")}, "b.example e.example"},
		"no domain of it":      {[]func(*Preconnect, context.Context){ask("https://xexample.org/"), ask("https://org/")}, ""},
		"from two":             {[]func(*Preconnect, context.Context){ask("https://a.example/"), ask("https://example.org/")}, "b.example c.example e.example"},
		"over plain HTTP":      {[]func(*Preconnect, context.Context){ask("http://a.example/")}, ""},
		"told to":              {[]func(*Preconnect, context.Context){connect("b.example")}, "b.example"},
		"told to twice":        {[]func(*Preconnect, context.Context){connect("b.example"), connect("b.example")}, "b.example"},
		"told to, and led to":  {[]func(*Preconnect, context.Context){connect("b.example"), ask("https://a.example/")}, "b.example c.example"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var heads []string
			var closed atomic.Int32
			p := &Preconnect{Hosts: hosts}
			p.Next = tripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodHead {
					p.mu.Lock()
					heads = append(heads, r.URL.String())
					p.mu.Unlock()
				}
				return &http.Response{StatusCode: 200, Body: onClose(func() { closed.Add(1) })}, nil
			})
			for _, step := range tt.steps {
				step(p, t.Context())
				synctest.Wait()
			}
			slices.Sort(heads)
			want := ""
			for _, host := range strings.Fields(tt.want) {
				want += "https://" + host + "/ "
			}
			if got := strings.Join(heads, " "); got != strings.TrimSpace(want) || int(closed.Load()) != len(heads) {
				t.Errorf("%s: connected to %s, %d answers were closed", name, got, closed.Load())
			}
		})
	}
}

// TestALiveTransportConnectsAhead holds that it connects where its requests will be led, and where it is told
// to, and nowhere if it has nothing to go by.
func TestALiveTransportConnectsAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		hosts map[string][]string
		want  string
	}{"it knows": {map[string][]string{"a.example": {"b.example"}}, "GET a.example, HEAD b.example, HEAD c.example"}, "it knows nothing": {map[string][]string{}, "GET a.example"}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			live := NewLive(LiveOptions{Preconnect: tt.hosts, Network: tripper(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, r.Method+" "+r.URL.Host)
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
			})})
			if _, err := (&Client{Transport: live}).Get(t.Context(), "https://a.example/", 0); err != nil {
				t.Error(err)
			}
			live.Connect(t.Context(), "c.example")
			synctest.Wait()
			if slices.Sort(asked); strings.Join(asked, ", ") != tt.want {
				t.Errorf("%s: %q", name, asked)
			}
		})
	}
}
