package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// manyFailing is a report of n images that each fail one check.
func manyFailing(n int, check func(i int, name string) report.Check) report.Report {
	r := report.Report{Scope: report.Scope{Subjects: []string{"v1.27.2"}}, Policy: report.Source{Embedded: true}, TrustedRoot: report.Source{Embedded: true}}
	for i := range n {
		name := fmt.Sprintf("image-%d", i)
		c := check(i, name)
		c.Required = true
		r.Results = append(r.Results, report.Result{Subject: "registry.k8s.io/" + name + ":v1.27.2", Kind: report.KindImage, Release: "v1.27.2", Checks: []report.Check{c}})
	}
	return r
}

func lastLine(r report.Report) string {
	var b bytes.Buffer
	_ = Verdict(&b, r, Options{})
	return strings.TrimSuffix(b.String(), "\n")
}

// One cause is told once, whatever URL and subject each result says it of, and the verdict line
// tells it.
func TestCauses(t *testing.T) {
	get := func(host, name, rest string) string {
		return fmt.Sprintf("registry.k8s.io/%s:v1.27.2: GET https://%s/v2/%s/manifests/v1.27.2: %s", name, host, name, rest)
	}
	for name, c := range map[string]struct {
		check func(i int, name string) report.Check
		want  string
	}{
		"no network": {func(_ int, name string) report.Check {
			return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: get("registry.k8s.io", name, "cannot reach registry.k8s.io: lookup failed: no such host; check the network and proxy settings, or use a mirror (--mirror DIR)")}
		}, "UNKNOWN  v1.27.2: cannot reach registry.k8s.io: no such host"},
		"two hosts": {func(i int, name string) report.Check {
			host := []string{"one.example", "two.example"}[min(i, 1)]
			return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: get(host, name, "cannot reach "+host+": lookup failed: no such host; check the network")}
		}, "UNKNOWN  v1.27.2: cannot reach two.example, one.example: no such host"},
		"throttled": {func(_ int, name string) report.Check {
			return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: get("registry.k8s.io", name, "status 429 Too Many Requests; try later, or with fewer --jobs")}
		}, "UNKNOWN  v1.27.2: registry.k8s.io asks to wait (429 Too Many Requests)"},
		"as for": {func(i int, name string) report.Check {
			if i > 0 {
				return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: "unreachable, as for registry.k8s.io/image-0:v1.27.2"}
			}
			return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: get("127.0.0.1:1", name, "cannot reach 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; check the network")}
		}, "UNKNOWN  v1.27.2: cannot reach 127.0.0.1:1: connection refused"},
		"as for one behind": {func(i int, name string) report.Check {
			if i < 4 {
				return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: "GET: status 429, as for registry.k8s.io/image-4:v1.27.2"}
			}
			return report.Check{Name: report.Digest, Reason: report.Unreachable, Detail: get("127.0.0.1:1", name, "status 429 Too Many Requests; try later, or with fewer --jobs")}
		}, "UNKNOWN  v1.27.2: 127.0.0.1:1 asks to wait (429 Too Many Requests)"},
		"a missing one": {func(_ int, name string) report.Check {
			return report.Check{Name: report.Digest, Reason: report.Absent, Detail: get("registry.k8s.io", name, "status 404 Not Found; check that the name and version exist")}
		}, "UNKNOWN  v1.27.2: 5 images: registry.k8s.io answers 404 Not Found"},
		"more than a request": {func(_ int, _ string) report.Check {
			return report.Check{Name: report.Binding, Reason: report.Unreachable, Detail: "nothing names it; but not everything could be read: GET https://a.example/x: status 500 Internal Server Error; try later"}
		}, "UNKNOWN  v1.27.2: 5 images: nothing names it; but not everything could be read: GET https://a.example/x: status 500 Internal Server Error; try later"},
		"signatures": {func(_ int, name string) report.Check {
			return report.Check{Name: report.Signature, Reason: report.Absent, Detail: "registry.k8s.io/" + name + " has no signature for sha256:0123456789ab"}
		}, "UNKNOWN  v1.27.2: 5 images: there is no signature"},
		"refuted": {func(_ int, name string) report.Check {
			return report.Check{Name: report.Binding, Verdict: report.Refuted, Reason: report.Mismatch, Detail: "this is not v1.27.2: the list says that " + name + ":v1.27.2 is sha256:0123456789ab"}
		}, "REFUTED  v1.27.2: 5 images: such as: this is not v1.27.2: the list says that image-0:v1.27.2 is sha256:0123456789ab"},
	} {
		t.Run(name, func(t *testing.T) {
			r := manyFailing(5, c.check)
			if got := lastLine(r); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if list := troubles(r); len(list) != 1 || len(list[0].results) != 5 {
				t.Errorf("%d causes", len(list))
			}
		})
	}
}

// A refutation is first and in the last line, whatever else there is.
func TestRefutedFirst(t *testing.T) {
	r := manyFailing(300, func(i int, name string) report.Check {
		if i == 299 {
			return report.Check{Name: report.Digest, Verdict: report.Refuted, Reason: report.Mismatch, Detail: "other bytes"}
		}
		return report.Check{Name: report.Digest, Reason: report.Malformed, Detail: strings.Repeat("x", i+1) + " of " + name}
	})
	for _, width := range []int{0, 40, 60, 80, 200} {
		var b bytes.Buffer
		if err := Table(&b, r, Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if !strings.HasPrefix(lines[0], "FAIL image-299 (index)") || len(lines) > failureLines {
			t.Errorf("%d columns: %d lines:\n%s", width, len(lines), b.String())
		}
	}
	if got := lastLine(r); !strings.HasPrefix(got, "REFUTED  v1.27.2: image-299 (index): other bytes, and 299 more causes; 299 unknown") {
		t.Error(got)
	}
}

// Text from outside neither makes lines of its own, nor a screen too long, nor another verdict.
func FuzzSummary(f *testing.F) {
	f.Add("registry.k8s.io/kube-proxy:v1.27.2", "linux/amd64", "GET https://x/: cannot reach x: dial tcp 1: connect: y; z", "VERIFIED  v1.27.2", uint8(1), 80)
	f.Add("\x1b[2J\nVERIFIED", "\xff", "is kube-proxy under another name", "missing: a, b", uint8(2), 0)
	f.Fuzz(func(t *testing.T, subject, platform, detail, note string, verdict uint8, width int) {
		v := report.Verdict(verdict % 3)
		r := report.Report{Scope: report.Scope{Subjects: []string{"v1.27.2"}}, Interrupted: verdict > 100, InterruptedBy: note}
		for _, kind := range report.Kinds {
			r.Results = append(r.Results, report.Result{Subject: subject, Kind: kind, Platform: platform, Notes: []string{note},
				Checks: []report.Check{{Name: report.Digest, Required: true, Verdict: v, Reason: report.Unreachable, Detail: detail}, {Name: report.Reference, Required: true, Verdict: v, Reason: report.Mismatch, Detail: note,
					Evidence: report.EvidenceOf(report.Evidence{Fields: map[string]string{report.FieldReference: detail}})}}})
		}
		var b bytes.Buffer
		if err := Table(&b, r, Options{Width: width % 300, Command: []string{"images", subject, detail}}); err != nil {
			t.Fatal(err)
		}
		noControls(t, b.String())
		word := strings.ToUpper(r.Verdict().String())
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if width%300 <= 0 && (len(lines) > failureLines || !strings.HasPrefix(lines[len(lines)-1], word+"  v1.27.2: ")) {
			t.Errorf("%d lines:\n%s", len(lines), b.String())
		}
		for _, l := range lines {
			for _, other := range []string{"VERIFIED ", "REFUTED ", "UNKNOWN "} {
				if strings.HasPrefix(l, other) && !strings.HasPrefix(l, word) {
					t.Errorf("a line of another verdict: %q", l)
				}
			}
		}
	})
}

// What one says of itself is not said of others that say the like.
func TestAlikeIsNotEqual(t *testing.T) {
	r := manyFailing(3, func(int, string) report.Check { return report.Check{Name: report.Digest, Verdict: report.Verified} })
	for i := range r.Results {
		res := &r.Results[i]
		name, _, _ := strings.Cut(strings.TrimPrefix(res.Subject, "registry.k8s.io/"), ":")
		res.Notes = []string{"its bytes are those of bin/linux/amd64/" + name, "it is old"}
	}
	var b bytes.Buffer
	if err := Table(&b, r, Options{Width: 200}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"note image-0 (index): its bytes are those of bin/linux/amd64/image-0 (and 2 more such)\n",
		"note image-0, image-1 and image-2 (index each): it is old\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// A result that fails as another does has that one's words as an example.
func TestWordsOfAnother(t *testing.T) {
	for _, first := range []int{0, 2} {
		r := manyFailing(3, func(i int, name string) report.Check {
			c := report.Check{Name: report.Digest, Reason: report.Malformed, Detail: "malformed, as for registry.k8s.io/image-" + fmt.Sprint(first) + ":v1.27.2"}
			if i == first {
				c.Detail = "registry.k8s.io/" + name + ":v1.27.2: the index of " + name + " is cut"
			}
			return c
		})
		if got, want := lastLine(r), fmt.Sprintf("UNKNOWN  v1.27.2: image-0, image-1 and image-2 (index each): such as: the index of image-%d is cut", first); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
