package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kverify/kverify/internal/cli"
	"github.com/kverify/kverify/internal/command"
)

// said is a report as a program reads it: by its JSON, without the code that wrote it.
type said struct {
	Verdict     string
	Counts      struct{ Verified, Refuted, Unknown int }
	Interrupted bool
	Scope       struct {
		Subjects, Names, Platforms []string
		Partial                    bool
	}
	Results []result
}

type result struct {
	Verdict, Subject, Kind, Release, Platform, Digest string
	SeenAs                                            []string
	Checks                                            []check
}

type check struct {
	Name, Verdict, Reason, Detail string
	Required                      bool
}

// outcome is one run of the program.
type outcome struct {
	args           []string
	code           int
	stdout, stderr string
	report         *said // nil where none was written
	json           []byte
}

// run is one scene being played: it keeps what was found wrong, and what was met.
type run struct {
	*scene
	network   http.RoundTripper
	n         int // of runs of the program
	wrong     []string
	met       map[string]int // "verdict reason" of required checks
	rows      map[int]int    // of the table of what must be said
	unsaid    map[string]int // situations of which it says nothing
	delivered *deliveries    // of the last run of the program
	last      [][]byte       // reports, to compare with those of a second run
	longest   time.Duration  // of one run, in the world's time
	log       string         // what the program said, for who looks at one seed
}

func (r *run) fail(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// does runs the program over the network of the scene, and holds what it says against itself
// and against the truth.
func (r *run) does(args ...string) outcome { return r.over(r.network, args...) }

func (r *run) over(network http.RoundTripper, args ...string) outcome {
	line := append(slices.Clone(args), "--trusted-root", r.root)
	if r.key != "" && slices.Contains(line, "--mirror") || r.key != "" && line[0] == "verify" && strings.HasPrefix(line[1], filepath.Join(r.dir, "mirror")) {
		line = append(line, "--key", r.key)
	}
	if !slices.Contains(line, "--cache") && (line[0] != "mirror" || line[1] != "push") {
		line = append(line, "--no-cache") // the default one is the machine's
	}
	o := r.says(network, line...)
	if o.report != nil {
		r.isTrue(o)
	}
	if r.honest && (o.code == 1 || o.report != nil && o.report.Verdict == "refuted") {
		r.fail("A FALSE ALARM: %q of a world in which nobody attacks\n%s", args, o.stdout)
	}
	return o
}

// shows is of a saved report, which is its writer's word and held against itself alone.
func (r *run) shows(file string) outcome { return r.says(r.network, "report", file) }

func (r *run) says(network http.RoundTripper, args ...string) outcome {
	r.n++
	o := outcome{args: args}
	file := filepath.Join(r.dir, fmt.Sprintf("report-%d.json", r.n))
	line := append(slices.Clone(args), "-o", "table", "-o", "json="+file)
	var stdout, stderr bytes.Buffer
	a := &command.App{Args: line, OtherMemory: 1 << 30, Stdout: &stdout, Stderr: &stderr, Getenv: environment(r.dir)}
	r.delivered = &deliveries{next: network, sums: map[string]bool{}}
	a.Network = r.delivered
	start := time.Now()
	o.code = cli.Run(context.Background(), a)
	if took := time.Since(start); took > r.longest {
		if r.longest = took; took > longest {
			r.fail("%q: took %s", args, took)
		}
	}
	o.stdout, o.stderr = stdout.String(), stderr.String()
	if body, err := os.ReadFile(file); err == nil {
		o.json, o.report = body, &said{}
		if err := json.Unmarshal(body, o.report); err != nil {
			r.fail("%q: the report is not JSON: %v", args, err)
			o.report = nil
		}
	}
	r.last = append(r.last, fmt.Appendf(nil, "%d\n%s", o.code, o.json))
	r.log += fmt.Sprintf("kverify %s\n%s%sexit code %d\n", strings.Join(args, " "), o.stdout, o.stderr, o.code)
	r.agrees(o)
	return o
}

var exits = map[string]int{"verified": 0, "refuted": 1, "unknown": 3}

// agrees holds exit code, text, counts and verdicts of one run against one another.
func (r *run) agrees(o outcome) {
	if strings.Contains(o.stderr, "a fault of kverify itself") {
		r.fail("%q: a panic:\n%s", o.args, o.stderr)
	}
	if o.report == nil {
		if o.code == 0 {
			r.fail("%q: exit code 0 and no report\n%s%s", o.args, o.stdout, o.stderr)
		}
		return
	}
	all := "verified"
	counts := map[string]int{}
	for _, res := range o.report.Results {
		own := ""
		for _, c := range res.Checks {
			if c.Reason == "internal" {
				r.fail("%q: a fault of kverify itself: %s", o.args, c.Detail)
			}
			if c.Required {
				own = join(own, c.Verdict)
				r.met[strings.TrimSpace(res.Kind+" "+c.Name+" "+c.Verdict+" "+c.Reason)]++
			}
			if c.Verdict == "verified" && c.Reason != "" || c.Verdict != "verified" && c.Reason == "" {
				r.fail("%q: %s %s: %s with the reason %q", o.args, res.Subject, c.Name, c.Verdict, c.Reason)
			}
		}
		if own == "" {
			own = "unknown"
		}
		if own != res.Verdict {
			r.fail("%q: %s %s is %s, and its checks say %s", o.args, res.Subject, res.Platform, res.Verdict, own)
		}
		counts[own]++
		all = join(all, own)
	}
	if len(o.report.Results) == 0 || o.report.Interrupted {
		all = join(all, "unknown")
	}
	if all != o.report.Verdict {
		r.fail("%q: the report is %s, and its results say %s", o.args, o.report.Verdict, all)
	}
	if c := o.report.Counts; c.Verified != counts["verified"] || c.Refuted != counts["refuted"] || c.Unknown != counts["unknown"] {
		r.fail("%q: counts %+v, want %v", o.args, c, counts)
	}
	if want, ok := exits[o.report.Verdict]; !ok || want != o.code && (o.code != 3 || o.report.Verdict != "verified" || o.stderr == "") {
		r.fail("%q: exit code %d of a report that is %s", o.args, o.code, o.report.Verdict)
	}
	text := strings.TrimRight(o.stdout, "\n")
	if last := text[strings.LastIndexByte(text, '\n')+1:]; !strings.HasPrefix(last, strings.ToUpper(o.report.Verdict)+"  ") {
		r.fail("%q: the text ends with %q, and the report is %s", o.args, last, o.report.Verdict)
	}
}

// join is how verdicts combine: refuted beats unknown beats verified.
func join(a, b string) string {
	for _, v := range []string{"refuted", "unknown"} {
		if a == v || b == v {
			return v
		}
	}
	return "verified"
}

// deliveries remembers what the bodies hashed to that were read to their end.
type deliveries struct {
	next http.RoundTripper
	mu   sync.Mutex
	sums map[string]bool
}

func (d *deliveries) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusOK && req.Method == http.MethodGet {
		resp.Body = &hashed{ReadCloser: resp.Body, sum: sha256.New(), to: d}
	}
	return resp, err
}

func (d *deliveries) have(digest string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sums[digest]
}

type hashed struct {
	io.ReadCloser
	sum hash.Hash
	to  *deliveries
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.sum.Write(p[:n])
	if err == io.EOF {
		h.to.mu.Lock()
		defer h.to.mu.Unlock()
		h.to.sums["sha256:"+hex.EncodeToString(h.sum.Sum(nil))] = true
	}
	return n, err
}

// hosts answers for some hosts in process, and leaves all others to the world.
type hosts struct {
	own  map[string]http.Handler
	rest http.RoundTripper
}

func (h *hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	own := h.own[req.URL.Host]
	if own == nil {
		return h.rest.RoundTrip(req)
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	in := req.Clone(req.Context())
	in.RequestURI, in.Host = req.URL.RequestURI(), req.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	own.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = req
	return resp, in.Body.Close()
}
