//go:build unix

package fetch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestWhichFilesComeInRanges holds where ranges may be asked for: of one file only, under a strong
// validator, of a server that knows them, and where it is worth it.
func TestWhichFilesComeInRanges(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *Part, mark *bulk, resp *http.Response)
		want   bool
	}{
		"as it should be":       {func(*Part, *bulk, *http.Response) {}, true},
		"the rest of a part":    {func(_ *Part, _ *bulk, r *http.Response) { r.StatusCode = 206; r.Header.Del("Accept-Ranges") }, true},
		"in other letters":      {func(_ *Part, _ *bulk, r *http.Response) { r.Header.Set("Accept-Ranges", "Bytes") }, true},
		"no ranges":             {func(_ *Part, _ *bulk, r *http.Response) { r.Header.Set("Accept-Ranges", "none") }, false},
		"nothing said of them":  {func(_ *Part, _ *bulk, r *http.Response) { r.Header.Del("Accept-Ranges") }, false},
		"over another network":  {func(_ *Part, m *bulk, _ *http.Response) { m.host.Store(nil) }, false},
		"in one answer":         {func(p *Part, _ *bulk, _ *http.Response) { p.whole = true }, false},
		"a short rest":          {func(p *Part, _ *bulk, _ *http.Response) { p.Size++ }, false},
		"of no known length":    {func(p *Part, _ *bulk, _ *http.Response) { p.state.Length = -1 }, false},
		"a weak validator":      {func(p *Part, _ *bulk, r *http.Response) { p.state.ETag = `W/"a"`; r.Header.Set("ETag", `W/"a"`) }, false},
		"no validator":          {func(p *Part, _ *bulk, r *http.Response) { p.state.ETag = ""; r.Header.Del("ETag") }, false},
		"another validator":     {func(_ *Part, _ *bulk, r *http.Response) { r.Header.Set("ETag", `"b"`) }, false},
		"larger than the disk":  {func(p *Part, _ *bulk, _ *http.Response) { p.state.Length = 1 << 60 }, false},
		"something in its way":  {func(p *Part, _ *bulk, _ *http.Response) { _ = p.root.Mkdir(scratchOf(p.name), 0o700) }, false},
		"left by another run":   {func(p *Part, _ *bulk, _ *http.Response) { _ = p.root.WriteFile(scratchOf(p.name), nil, 0o600) }, true},
		"a validator of a part": {func(p *Part, _ *bulk, r *http.Response) { r.StatusCode = 206; p.state.ETag = `"b"` }, false},
	} {
		root, dir := tempRoot(t)
		p, err := openPart(root, "f")
		if err != nil {
			t.Fatal(err)
		}
		p.Size, p.state = 3, state{URL: "https://dl.k8s.io/f", ETag: `"a"`, Length: rangesFrom + 3}
		p.FinalURL = p.state.URL
		mark := new(bulk)
		mark.host.Store(hostOfLanes(1))
		resp := served{status: 200, header: "ETag: \"a\"\nAccept-Ranges: bytes", body: "the rest"}.response()
		tt.change(p, mark, resp)
		a := p.newAhead(&Client{}, mark, resp, nil, 7)
		if (a != nil) != tt.want {
			t.Errorf("%s: %+v", name, a)
		}
		if a != nil {
			if a.start != 3 || a.end != rangesFrom+3 || a.etag != `"a"` || a.tries != 7 || a.host != mark.host.Load() || a.body != resp.Body || a.request.URL != p.FinalURL || a.request.Header == nil {
				t.Errorf("%s: %+v", name, a)
			}
			if _, err := root.Lstat(scratchOf("f")); err == nil {
				t.Errorf("%s: what lies ahead has a name in %s", name, dir)
			}
			a.close(p)
			if _, err := a.scratch.Stat(); err == nil {
				t.Errorf("%s: what lies ahead is still open", name)
			}
		}
		_ = p.Discard()
	}
}

// TestWhatRangesAreShown holds that what was meant for the host that was asked is shown to no other.
func TestWhatRangesAreShown(t *testing.T) {
	const shown, kept = "Bearer secret", ""
	for name, tt := range map[string]struct {
		asked, final, want string
	}{
		"the same":             {"https://dl.k8s.io/f", "https://dl.k8s.io/g", shown},
		"the same, otherwise":  {"https://dl.k8s.io/f", "https://DL.k8s.io:443/g", shown},
		"another host":         {"https://dl.k8s.io/f", "https://cdn.dl.k8s.io/f", kept},
		"another port":         {"https://dl.k8s.io/f", "https://dl.k8s.io:8443/f", kept},
		"another scheme":       {"https://dl.k8s.io/f", "http://dl.k8s.io/f", kept},
		"no URL in the end":    {"https://dl.k8s.io/f", "https://user@dl.k8s.io/f", kept},
		"no URL to begin with": {"https://user@dl.k8s.io/f", "https://dl.k8s.io/f", kept},
	} {
		root, _ := tempRoot(t)
		p, err := openPart(root, "f")
		if err != nil {
			t.Fatal(err)
		}
		p.state, p.FinalURL = state{URL: tt.asked, ETag: `"a"`, Length: rangesFrom}, tt.final
		mark := new(bulk)
		mark.host.Store(hostOfLanes(1))
		header := http.Header{"Authorization": {shown}, "Cookie": {shown}, "Proxy-Authorization": {shown}, "X": {"y"}}
		a := p.newAhead(&Client{}, mark, served{status: 206, header: `ETag: "a"`}.response(), header, 1)
		if a == nil {
			t.Fatalf("%s: there are no ranges", name)
		}
		for _, secret := range secrets {
			if got := a.request.Header.Get(secret); got != tt.want || a.request.Header.Get("X") != "y" || header.Get(secret) != shown {
				t.Errorf("%s: %s: %q, of the caller %v", name, secret, got, header)
			}
		}
		a.close(p)
		_ = p.Discard()
	}
}

// TestWhatRangesLeave holds what a part says of itself once ranges of it were asked for.
func TestWhatRangesLeave(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		requests        int
		foreign, origin bool
		err             error
		was             bool // fetched in one answer before
		want            string
	}{
		"none was asked for":      {0, false, true, nil, false, "joined false, published true, one answer false"},
		"none, and carried":       {0, false, false, nil, false, "joined false, published false, one answer false"},
		"published":               {2, false, true, nil, false, "joined true, published true, one answer false"},
		"one was not published":   {2, true, true, nil, false, "joined true, published false, one answer false"},
		"the first was carried":   {2, false, false, nil, false, "joined true, published false, one answer false"},
		"one will not come":       {2, false, true, failed, false, "joined true, published true, one answer true"},
		"the first will not come": {0, false, true, failed, false, "joined false, published true, one answer true"},
		"as before":               {0, false, true, nil, true, "joined false, published true, one answer true"},
	} {
		a := inRanges(t, 1)
		a.requests, a.foreign, a.err = tt.requests, tt.foreign, tt.err
		root, _ := tempRoot(t)
		p := &Part{root: root, name: "f", origin: tt.origin, whole: tt.was}
		a.close(p)
		if got := fmt.Sprintf("joined %v, published %v, one answer %v", p.Joined, p.origin, p.whole); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestIsRange holds which answers are those bytes of the same file.
func TestIsRange(t *testing.T) {
	for name, tt := range map[string]struct {
		s    served
		want bool
	}{
		"these":              {served{status: 206, length: 6, header: "ETag: \"a\"\nContent-Range: bytes 4-9/%d"}, true},
		"not announced":      {served{status: 206, length: -1, header: "ETag: \"a\"\nContent-Range: bytes 4-9/%d"}, true},
		"not encoded":        {served{status: 206, length: 6, header: "ETag: \"a\"\nContent-Encoding: identity\nContent-Range: bytes 4-9/%d"}, true},
		"the whole":          {served{status: 200, length: 6, header: "ETag: \"a\"\nContent-Range: bytes 4-9/%d"}, false},
		"other bytes":        {served{status: 206, length: 6, header: "ETag: \"a\"\nContent-Range: bytes 3-8/%d"}, false},
		"fewer":              {served{status: 206, length: 5, header: "ETag: \"a\"\nContent-Range: bytes 4-8/%d"}, false},
		"a length of naught": {served{status: 206, length: 0, header: "ETag: \"a\"\nContent-Range: bytes 4-9/%d"}, false},
		"announced as more":  {served{status: 206, length: 7, header: "ETag: \"a\"\nContent-Range: bytes 4-9/%d"}, false},
		"of another length":  {served{status: 206, length: 6, header: "ETag: \"a\"\nContent-Range: bytes 4-9/1%d"}, false},
		"no range":           {served{status: 206, length: 6, header: "ETag: \"a\"\nX: %d"}, false},
		"of another file":    {served{status: 206, length: 6, header: "ETag: \"b\"\nContent-Range: bytes 4-9/%d"}, false},
		"of no file":         {served{status: 206, length: 6, header: "Content-Range: bytes 4-9/%d"}, false},
		"encoded":            {served{status: 206, length: 6, header: "ETag: \"a\"\nContent-Encoding: gzip\nContent-Range: bytes 4-9/%d"}, false},
	} {
		a := &ahead{etag: `"a"`, end: 50}
		tt.s.header = fmt.Sprintf(tt.s.header, 50)
		if err := a.isRange(tt.s.response(), 4, 10); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRangesEndWithTheirReader holds that nothing more is asked for once the file's reader has ended,
// and that who waits is told of it.
func TestRangesEndWithTheirReader(t *testing.T) {
	a := inRanges(t, 2)
	a.client = &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
		t.Error("a range was asked for")
		return served{status: 404}.response(), nil
	})}
	a.host.meter.split = false // no claim is to be had
	a.body = io.NopCloser(strings.NewReader("first"))
	var got []byte
	a.run(t.Context(), func(r io.Reader) { got, _ = io.ReadAll(r) })
	if string(got) != "first" || !a.over || a.cut != -1 || a.at != a.start+5 || len(a.done) != 3 || a.host.waiting != 0 {
		t.Errorf("read %q: %+v", got, a)
	}
}
