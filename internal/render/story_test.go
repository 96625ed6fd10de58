package render

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// told is a subject whose checks show all that the verifier shows.
func told() report.Report {
	r := base()
	embedded, carried := report.Embedded, report.Carried
	signed := report.EvidenceOf(report.Evidence{What: "signature", Source: "registry.k8s.io/kube-proxy:sha256-11.sig", Fields: map[string]string{
		"identity": "krel-trust@k8s-releng-prod.iam.gserviceaccount.com", "issuer": "https://accounts.google.com", "rule": "krel-trust",
		"logIndex": "96410323", "logID": "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d", "integratedTime": "2023-05-17T16:00:01Z"}})
	r.Results = []report.Result{
		image(proxy, "", digest("1"),
			report.Check{Name: report.Digest, Verdict: report.Verified, Required: true, Detail: "1363 bytes hash to sha256:111111111111"},
			report.Check{Name: report.Signature, Verdict: report.Verified, Required: true, Detail: "signed by krel-trust", Evidence: signed},
			report.Check{Name: report.Reference, Verdict: report.Verified, Required: true, Evidence: report.EvidenceOf(report.Evidence{Fields: map[string]string{"docker-reference": "registry.k8s.io/kube-proxy"}})},
			report.Check{Name: report.Binding, Verdict: report.Verified, Required: true, Detail: "the built-in catalogue knows it as kube-proxy v1.27.2", Evidence: report.EvidenceOf(
				report.Evidence{What: "claim", Source: "built-in catalogue, row from k8s.io images.yaml", Strength: &embedded, Fields: map[string]string{"says": "it is kube-proxy v1.27.2"}},
				report.Evidence{What: "claim", Source: "https://raw.githubusercontent.com/kubernetes/k8s.io/main/images.yaml", Strength: &carried, Fields: map[string]string{"says": "it is kube-proxy v1.27.2"}})}),
		image(proxy, "linux/amd64", digest("2"), ok(report.Digest, report.Signature, report.Reference, report.Binding)...),
	}
	return r
}

func failed() report.Report {
	r := told()
	r.Policy = report.Source{Digest: digest("c"), Path: "my-policy.yaml"}
	res := &r.Results[0]
	res.Incidents = []report.Incident{{ID: "unsigned-2023-02", Title: "images of February 2023 were signed in part", Link: "https://github.com/kubernetes/release/issues/2962",
		Checks: []string{report.Signature}, Explains: "The promoter was held back.", Advice: "Use a later patch."}}
	res.Checks[1] = report.Check{Name: report.Signature, Required: true, Reason: report.Absent, Detail: "registry.k8s.io/kube-proxy has no signature for sha256:111111111111"}
	res.Checks[2] = report.Check{Name: report.Reference, Required: true, Reason: report.NoClaim, Detail: "there is no signature to read it from"}
	r.Results[1].Checks[3] = report.Check{Name: report.Binding, Verdict: report.Refuted, Required: true, Reason: report.Mismatch,
		Detail: "this is not v1.27.2: layer 2 is not among those that the SBOM lists"}
	return r
}

func TestStory(t *testing.T) {
	for name, tt := range map[string]struct {
		r       report.Report
		subject string
		o       Options
	}{
		"story":         {told(), "kube-proxy", Options{}},
		"story-failed":  {failed(), "kube-proxy:v1.27.2", Options{}},
		"story-narrow":  {failed(), digest("2"), Options{Width: 60, Color: true}},
		"story-release": {good(), "v1.27.2", Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Story(&b, tt.r, tt.subject, tt.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", b.Bytes())
		})
	}
}

func TestStoryOfNothing(t *testing.T) {
	for _, name := range []string{"", "kube", "proxy", "kube-proxy:v1.27.20", "v1.27", "/kube-proxy"} {
		var b bytes.Buffer
		var none *NoSubjectError
		if err := Story(&b, told(), name, Options{}); !errors.As(err, &none) || b.Len() > 0 || len(none.Known) != 1 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Every check and every reason has words, and none of what comes from outside
// reaches a terminal as it is.
func TestStoryHasWords(t *testing.T) {
	for _, name := range report.CheckNames {
		if expected[name] == "" {
			t.Errorf("nothing says what %s expects", name)
		}
	}
	for reason := range meanings {
		for _, name := range report.CheckNames {
			if a := advice(report.Check{Name: name, Reason: reason}); a == "" || strings.Contains(a, "Look at the detail above") {
				t.Errorf("%s %s: no advice", name, reason)
			}
		}
	}
	r := failed()
	const bad = "\x1b]0;title\a\u202e"
	r.Results[0].Subject += bad
	r.Results[0].Checks[1].Detail = bad
	r.Results[0].Notes = []string{bad}
	r.Results[0].Incidents[0].Explains = bad
	r.Results[0].Checks[3].Evidence = r.Results[0].Checks[3].Evidence.Changed(func(e *report.Evidence) { e.Source = bad })
	r.Policy.Path = bad
	var b bytes.Buffer
	if err := Story(&b, r, r.Results[0].Subject, Options{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u202e") {
		t.Errorf("it was not escaped:\n%q", b.String())
	}
}
