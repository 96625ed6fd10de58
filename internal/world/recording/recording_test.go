package recording_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/recording"
)

// server answers as a function says.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// says is an answer; of its headers some tell who asked.
func says(status int, kind, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {kind}, "Set-Cookie": {"session=of-somebody"}, "X-Client-Ip": {"203.0.113.9"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

func ask(t *testing.T, rt http.RoundTripper, method, u, question string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u, strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer of-somebody")
	req.Header.Set("Cookie", "session=of-somebody")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// TestNothingOfWhoAsked holds that a recording has nothing of the machine and the
// person that made it, and gives them to the client of the day all the same.
func TestNothingOfWhoAsked(t *testing.T) {
	secret := "of-somebody"
	token := strings.Repeat("k", 200) + secret
	answers := map[string]*http.Response{
		"/token":              says(200, "application/json", `{"token":"`+secret+`","expires_in":300}`),
		"/v2/":                says(401, "application/json", `{"errors":[]}`, "Www-Authenticate", `Bearer realm="https://h.example/token"`),
		"/moved":              says(307, "text/html", `<a href="https://h.example/blob?X-Sig=`+secret+`">`, "Location", "https://h.example/downloads/"+token+"?X-Sig="+secret),
		"/429":                says(429, "text/html", "too many requests from 203.0.113.9 and 2001:4860:4860::8844"),
		"/page":               says(200, "text/html", "hello 203.0.113.9"),
		"/packed":             says(403, "text/plain", "packed "+secret, "Content-Encoding", "gzip"),
		"/downloads/" + token: says(200, "application/octet-stream", "the bytes 203.0.113.9"),
	}
	dir := t.TempDir()
	r, err := recording.Record(server(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/refused" {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("203.0.113.9: " + secret)}
		}
		return answers[r.URL.Path], nil
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, answer := range answers {
		want, _ := io.ReadAll(answer.Body)
		answer.Body = io.NopCloser(bytes.NewReader(want))
		_, got, err := ask(t, r, "GET", "https://user:"+secret+"@h.example"+path+"?sig="+secret, "")
		if err != nil || got != string(want) {
			t.Errorf("%s: the client got %q, %v", path, got, err)
		}
	}
	if _, _, err := ask(t, r, "GET", "https://h.example/refused", ""); err == nil {
		t.Error("a failure was no failure")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, b...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{secret, "2001:4860", "Cookie", "Authorization\"", "X-Client-Ip", "user:"} {
		if bytes.Contains(all, []byte(word)) {
			t.Errorf("the recording holds %q:\n%s", word, all)
		}
	}
	if n := bytes.Count(all, []byte("203.0.113.9")); n != 1 { // in the file that was asked for, whose bytes have a digest
		t.Errorf("the recording holds the client's address %d times:\n%s", n, all)
	}

	back, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/token": 200, "/v2/": 401, "/429": 429, "/downloads/" + token: 200} {
		if status, _, err := ask(t, back, "GET", "https://h.example"+path+"?sig=another", ""); err != nil || status != want {
			t.Errorf("%s: %d, %v, played back", path, status, err)
		}
	}
}

// TestPlayedBack holds that what was answered is answered again, in its order; that
// half an answer stays one; and that what was not asked has no answer, which is
// not "there is none".
func TestPlayedBack(t *testing.T) {
	n, dir := 0, t.TempDir()
	r, err := recording.Record(server(func(r *http.Request) (*http.Response, error) {
		switch n++; {
		case r.URL.Path == "/half":
			resp := says(200, "application/octet-stream", "whole")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("wh"), broken{}))
			return resp, nil
		case n == 1:
			return nil, errors.New("refused")
		case r.Method == "POST":
			q, _ := io.ReadAll(r.Body)
			return says(200, "application/json", "answer to "+string(q)), nil
		}
		return says(200, "application/octet-stream", string(rune('0'+n))), nil
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	questions := [][3]string{{"GET", "/a", ""}, {"GET", "/a", ""}, {"GET", "/a", ""}, {"POST", "/q", "one"}, {"POST", "/q", "two"}, {"GET", "/half", ""}}
	type heard struct {
		status int
		body   string
		failed bool
	}
	hear := func(rt http.RoundTripper) (all []heard) {
		for _, q := range questions {
			status, body, err := ask(t, rt, q[0], "https://h.example"+q[1], q[2])
			all = append(all, heard{status, body, err != nil})
		}
		return all
	}
	first := hear(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := recording.Record(r, dir); err == nil {
		t.Error("a recording was written over")
	}
	back, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := hear(back)
	for i := range questions {
		if first[i] != second[i] {
			t.Errorf("%v: %+v, played back %+v", questions[i], first[i], second[i])
		}
	}
	if !first[0].failed || !first[5].failed || first[5].body != "wh" || first[3] == first[4] {
		t.Errorf("heard %+v", first)
	}
	if _, body, err := ask(t, back, "GET", "https://h.example/a", ""); err != nil || body != first[2].body {
		t.Errorf("asked once more: %q, %v", body, err)
	}
	if status, _, err := ask(t, back, "GET", "https://h.example/b", ""); err == nil || len(back.Missing()) != 1 {
		t.Errorf("what was not recorded has status %d, %v, and %v is missing", status, err, back.Missing())
	}

	list, err := os.ReadFile(filepath.Join(dir, recording.List))
	if err != nil {
		t.Fatal(err)
	}
	var e recording.Exchange
	if err := json.Unmarshal(bytes.Split(list, []byte("\n"))[1], &e); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bodies", e.Body), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if back, err = recording.Open(dir); err != nil {
		t.Fatal(err)
	}
	_, _, _ = ask(t, back, "GET", "https://h.example/a", "") // the failure
	if _, body, err := ask(t, back, "GET", "https://h.example/a", ""); err == nil {
		t.Errorf("a body that was changed is %q", body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, net.ErrClosed }

// TestBehindAListener holds that a client over TLS hears what a world says, any
// host's name and all, through a recorder and out of its recording.
func TestBehindAListener(t *testing.T) {
	w, dir := world.New(world.Options{}), t.TempDir()
	r, err := recording.Record(w, dir)
	if err != nil {
		t.Fatal(err)
	}
	get := func(rt http.RoundTripper) []byte {
		s, err := world.ServeAny(recording.Handler(rt))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		client := &http.Client{Transport: s.Transport()}
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://sbom.k8s.io/v1.27.2/release") // two redirects
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.Request.URL.Host != world.HostCDN || resp.ProtoMajor != 2 {
			t.Fatalf("%s of %s: %v", resp.Proto, resp.Request.URL, err)
		}
		return b
	}
	want := w.File(world.SBOMURL("v1.27.2"))
	if got := get(r); !bytes.Equal(got, want) {
		t.Errorf("recorded: %d bytes, want %d", len(got), len(want))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	back, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := get(back); !bytes.Equal(got, want) {
		t.Errorf("played back: %d bytes, want %d", len(got), len(want))
	}
}

// FuzzOpen: whatever the list of a recording says, reading it ends, and nothing
// outside of it is read.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"method":"GET","url":"https://h.example/a","status":200,"length":1,"body":"` + strings.Repeat("0", 64) + `"}`))
	f.Add([]byte(`{"method":"GET","url":"https://h.example/a","status":200,"body":"../../secret"}`))
	f.Add([]byte(`{"method":"GET","url":"https://h.example/a","failure":"refused"}`))
	f.Fuzz(func(t *testing.T, list []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, recording.List), list, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := recording.Open(dir)
		if err != nil {
			return
		}
		for line := range bytes.Lines(list) {
			var e recording.Exchange
			if json.Unmarshal(line, &e) != nil {
				continue
			}
			u, err := url.Parse(e.URL)
			if err != nil {
				continue
			}
			if recording.Redact(u) != e.URL {
				continue
			}
			req := &http.Request{Method: e.Method, URL: u, Header: http.Header{}}
			if resp, err := r.RoundTrip(req); err == nil {
				if b, _ := io.ReadAll(resp.Body); len(b) > 0 {
					t.Errorf("%q was read, and bodies/ is empty", b)
				}
			}
		}
	})
}
