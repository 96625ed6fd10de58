package render

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// Statements are the formats that others take as proof. They are written only by the
// run that examined, whole (rule 34): see [RefusedError].
var Statements = []string{"vsa", "svr", "refs"}

// A RefusedError says why a report is not written in one of [Statements].
type RefusedError struct {
	Format string
	Err    error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("-o %s: %v", e.Format, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// whole says why a report is not the whole word of the run that examined.
func whole(r report.Report) error {
	switch {
	case len(r.Merged) > 0:
		return errors.New("the report is merged from others, and a statement is written only by the run that examined; give -o to that run")
	case r.Saved:
		return errors.New("the report was saved, and a statement is written only by the run that examined; give -o to that run")
	case r.Interrupted:
		return errors.New("the run was interrupted, and a statement speaks of all of it; run it again")
	case r.Scope.Partial || len(r.Scope.Omitted) > 0:
		return errors.New("the run is partial, and a statement speaks of every check; leave out --checks")
	case r.Scope.Shard != nil:
		return errors.New("the run examined a shard, and a statement speaks of the whole; leave out --shard")
	case len(r.Results) == 0:
		return errors.New("nothing was examined")
	}
	return nil
}

// holds says whether a result is proved of bytes that were read: digest and signature
// are among its checks, and it was not only seen somewhere and reported.
func holds(res *report.Result) bool {
	digest, _ := res.Check(report.Digest)
	signature, _ := res.Check(report.Signature)
	return res.Verdict() == report.Verified && len(res.Places) == 0 && res.MorePlaces == 0 && sha256Form().MatchString(res.Digest) &&
		digest.Required && digest.Verdict == report.Verified && signature.Required && signature.Verdict == report.Verified
}

var sha256Form = lazyregexp.New(`^sha256:[0-9a-f]{64}$`)

// proven are the images and files of a report of which a statement may speak. An index
// speaks for every platform that it names: it is among them only if all of its rows
// hold and no platform was left out or was not there; else those platforms are that do.
func proven(r report.Report) (list []*report.Result) {
	absent := map[string]bool{} // subjects that were not there, or of which a platform was not
	for _, a := range r.Scope.Absent {
		for i, c := range a + " " {
			absent[a[:i]] = absent[a[:i]] || c == ' '
		}
	}
	for _, g := range subjects(r.Results) {
		all := len(r.Scope.Platforms) == 0
		for _, row := range g.rows {
			all = all && holds(row.Result) && !absent[row.Subject]
		}
		for _, row := range g.rows {
			index := row.Kind == kindImage && row.Platform == ""
			if (row.Kind == kindImage || row.Kind == kindFile) && holds(row.Result) && (all || !index) {
				list = append(list, row.Result)
			}
		}
	}
	return list
}

// An in-toto statement (github.com/in-toto/attestation, spec/v1/statement.md), unsigned.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []statementItem `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     any             `json:"predicate"`
}

type statementItem struct {
	Name   string    `json:"name,omitempty"`
	URI    string    `json:"uri,omitempty"`
	Digest digestSet `json:"digest"`
}

const statementType = "https://in-toto.io/Statement/v1"

func itemOf(res *report.Result) statementItem {
	return statementItem{Name: terminal.Escape(title(res)), Digest: digestSet(res.Digest)}
}

// A digestSet is a digest as in-toto writes it (spec/v1/digest_set.md).
type digestSet string

// MarshalJSON writes an object with one member, the algorithm's.
func (d digestSet) MarshalJSON() ([]byte, error) {
	algorithm, hexDigits, _ := strings.Cut(string(d), ":")
	return json.Marshal(map[string]string{algorithm: hexDigits})
}

// judgeOf names a policy or trusted root.
func judgeOf(what string, s report.Source) statementItem {
	uri := homepage + "#" + what
	if !s.Embedded {
		uri = "file:" + sarifURI(path.Base(cmp.Or(s.Path, "unnamed")))
	}
	return statementItem{URI: uri, Digest: digestSet(s.Digest)}
}

// VSA writes a verification summary of SLSA (slsa.dev/spec/v1.1/verification_summary)
// of one image: PASSED if the report is verified, FAILED if it is refuted, and nothing
// if it is unknown. It claims no level. It is not signed. A report that it does not
// fit is a [*RefusedError].
func VSA(w io.Writer, r report.Report) error {
	refuse := func(err error) error { return &RefusedError{"vsa", err} }
	if err := whole(r); err != nil {
		return refuse(err)
	}
	images := groups(r.Results)
	others := slices.ContainsFunc(r.Results, func(res report.Result) bool {
		return !slices.Contains([]report.Kind{report.KindImage, report.KindRelease, report.KindDocument}, res.Kind)
	})
	if len(images) != 1 || others {
		return refuse(fmt.Errorf("a summary speaks of one image, and the report has %s; name one", terminal.Plural(len(images), "image")))
	}
	head := images[0].rows[0].Result
	result, level := "PASSED", "SLSA_BUILD_LEVEL_UNEVALUATED"
	switch v := r.Verdict(); {
	case v == report.Unknown:
		return refuse(errors.New("the verdict is unknown, and a summary says only PASSED or FAILED"))
	case !sha256Form().MatchString(head.Digest):
		return refuse(errors.New("the image has no digest"))
	case v == report.Refuted:
		result, level = "FAILED", "FAILED"
	case !slices.ContainsFunc(proven(r), func(p *report.Result) bool { return p.Subject == head.Subject && p.Platform == head.Platform }):
		return refuse(errors.New("not every platform of the image was examined, and its index speaks for all; leave out --arch"))
	}
	return encode.JSON(w, statement{statementType, []statementItem{itemOf(head)}, "https://slsa.dev/verification_summary/v1", struct {
		Verifier struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		} `json:"verifier"`
		TimeVerified       string        `json:"timeVerified"`
		ResourceURI        string        `json:"resourceUri"`
		Policy             statementItem `json:"policy"`
		VerificationResult string        `json:"verificationResult"`
		VerifiedLevels     []string      `json:"verifiedLevels"`
		SLSAVersion        string        `json:"slsaVersion"`
	}{
		Verifier: struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		}{homepage, map[string]string{"kverify": terminal.Escape(r.Tool.Version)}},
		TimeVerified: r.Time.UTC().Format(time.RFC3339), ResourceURI: sarifURI(head.Subject), Policy: judgeOf("policy", r.Policy),
		VerificationResult: result, VerifiedLevels: []string{level}, SLSAVersion: "1.1",
	}})
}

// SVR writes a simple verification result (in-toto.io/attestation/svr/v0.2) of every
// image and file that was proved: their digests, and the checks that all of them
// passed, as KVERIFY_IMAGE_BINDING and so on. It is not signed. A report that it does
// not fit is a [*RefusedError].
func SVR(w io.Writer, r report.Report) error {
	if err := whole(r); err != nil {
		return &RefusedError{"svr", err}
	}
	list := proven(r)
	if len(list) == 0 {
		return &RefusedError{"svr", errors.New("no bytes were read and verified, so there is nothing to state")}
	}
	out := statement{Type: statementType, Subject: []statementItem{}, PredicateType: "https://in-toto.io/attestation/svr/v0.2"}
	kind := strings.ToUpper(string(list[0].Kind)) + "_"
	passed := slices.Clone(report.CheckNames)
	for _, res := range list {
		if strings.ToUpper(string(res.Kind))+"_" != kind {
			kind = ""
		}
		passed = slices.DeleteFunc(passed, func(name string) bool {
			c, ok := res.Check(name)
			return !ok || !c.Required || c.Verdict != report.Verified
		})
	}
	properties := []string{}
	for _, name := range passed {
		properties = append(properties, "KVERIFY_"+kind+strings.ToUpper(name))
	}
	type verifier struct {
		ID       string          `json:"id"`
		Policies []statementItem `json:"policies"`
	}
	out.Predicate = struct {
		Verifier    verifier `json:"verifier"`
		TimeCreated string   `json:"timeCreated"`
		Properties  []string `json:"properties"`
	}{verifier{homepage, []statementItem{judgeOf("policy", r.Policy), judgeOf("trusted-root", r.TrustedRoot)}}, r.Time.UTC().Format(time.RFC3339), properties}
	return listed(w, out, "subject", len(list), func(i int) any { return itemOf(list[i]) })
}

// refForm is what a line of refs may be: a repository, lower case, and a digest.
var refForm = lazyregexp.New(`^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}$`)

// Refs writes the images that were proved as a list of REPO@sha256:..., each below a
// comment with its tag and platform: input of -f, of kustomize, of an admission policy.
// An index stands for its platforms, which are listed where it is not.
// Nothing is listed if any result is refuted, and nothing of a report that is not the
// whole word of the run that examined: then the list is empty but for a comment, so that
// no older one stands in its place, and the error is a [*RefusedError].
func Refs(w io.Writer, r report.Report) error {
	b := bufio.NewWriterSize(w, 64<<10) // an error stays, and Flush says it
	_, _ = b.WriteString("# what kverify " + terminal.Escape(r.Tool.Version) + " verified at " + r.Time.UTC().Format(time.RFC3339))
	for _, s := range []struct {
		what string
		report.Source
	}{{"policy", r.Policy}, {"trusted root", r.TrustedRoot}} {
		if !s.Embedded {
			_, _ = b.WriteString(", judged by the " + s.what + " " + terminal.Escape(cmp.Or(s.Path, "unnamed")) + " " + terminal.Escape(s.Digest))
		}
	}
	_, _ = b.WriteString("\n")
	refused := whole(r)
	switch {
	case refused != nil:
		_, _ = b.WriteString("# nothing is listed: " + terminal.Escape(refused.Error()) + "\n")
	case r.Verdict() == report.Refuted:
		_, _ = fmt.Fprintf(b, "# nothing is listed: %d of %s refuted\n", r.Count(report.Refuted), terminal.Plural(len(r.Results), "subject"))
	default:
		refLines(b, r)
	}
	if err := b.Flush(); err != nil {
		return err
	}
	if refused != nil {
		return &RefusedError{"refs", refused}
	}
	return nil
}

func refLines(b *bufio.Writer, r report.Report) {
	listed, covered := map[string]bool{}, map[string]bool{} // covered are images whose index is listed
	for _, res := range proven(r) {
		line := repository(res) + "@" + res.Digest
		image, _ := groupAndLabel(res)
		if res.Kind != kindImage || listed[line] || covered[image] || !refForm().MatchString(line) {
			continue
		}
		listed[line], covered[image] = true, res.Platform == ""
		_, _ = b.WriteString("# " + terminal.Escape(title(res)) + "\n" + line + "\n")
	}
	if left := len(r.Results) - r.Count(report.Verified); left > 0 {
		_, _ = fmt.Fprintf(b, "# %s not listed: unknown\n", terminal.Plural(left, "subject"))
	}
}

// repository is where the bytes of an image were read, else what it is named.
func repository(res *report.Result) string {
	name := res.Subject
	c, _ := res.Check(report.Digest)
	for _, e := range c.Evidence.All() {
		if e.What == "manifest" && e.Digest == res.Digest && e.Source != "" {
			name = e.Source
		}
	}
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name
}
